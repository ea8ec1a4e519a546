"""EMC-Click, HRNet-32 on COCO+LVIS (Du et al. 2023).

python train.py models/emcclick/hrnet32_att_cclvis.py --ngpus=8 --workers=4 --batch-size=64
"""

from isegm.recipes import emcclick, launch, train

MODEL_NAME = "hrnet32_att_cclvis"
RECIPE = emcclick.recipe(lr=8e-4, aux=0.4)


def init_model(cfg):
    return launch.built("emcclick_hrnet32", cfg, "HRNETV2_W32")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
