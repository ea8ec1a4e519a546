"""EMC-Click, SegFormer-B0 on COCO+LVIS (Du et al. 2023).

python train.py models/emcclick/segformerB0_att_cclvis.py --ngpus=4 --workers=4 --batch-size=64
"""

from isegm.recipes import emcclick, launch, train

MODEL_NAME = "segformerB0_att_cclvis"
RECIPE = emcclick.recipe(lr=1e-3, aux=None)


def init_model(cfg):
    return launch.built("emcclick_segformerb0", cfg, "SEGFORMER_B0")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
