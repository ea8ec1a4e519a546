"""EMC-Click, SegFormer-B3 on COCO+LVIS (Du et al. 2023).

python train.py models/emcclick/segformerB3_att_cclvis.py --ngpus=8 --workers=4 --batch-size=64
"""

from isegm.recipes import emcclick, launch, train

MODEL_NAME = "segformerB3_att_cclvis"
RECIPE = emcclick.recipe(lr=2e-3, aux=None)


def init_model(cfg):
    return launch.built("emcclick_segformerb3", cfg, "SEGFORMER_B3")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
