"""EMC-Click, HRNet-18s on COCO+LVIS (Du et al. 2023).

python train.py models/emcclick/hrnet18s_att_cclvis.py --ngpus=4 --workers=4 --batch-size=64
"""

from isegm.recipes import emcclick, launch, train

MODEL_NAME = "hrnet18s_att_cclvis"
RECIPE = emcclick.recipe(lr=1e-3, aux=0.4)


def init_model(cfg):
    return launch.built("emcclick_hrnet18s", cfg, "HRNETV2_W18_SMALL")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
