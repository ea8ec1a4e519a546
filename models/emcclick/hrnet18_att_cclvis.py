"""EMC-Click, HRNet-18 on COCO+LVIS (Du et al. 2023).

python train.py models/emcclick/hrnet18_att_cclvis.py --ngpus=4 --workers=4 --batch-size=64
"""

from isegm.recipes import emcclick, launch, train

MODEL_NAME = "hrnet18_att_cclvis"
RECIPE = emcclick.recipe(lr=1e-3, aux=0.4)


def init_model(cfg):
    return launch.built("emcclick_hrnet18", cfg, "HRNETV2_W18")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
