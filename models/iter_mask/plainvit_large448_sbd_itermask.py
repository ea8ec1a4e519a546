"""SimpleClick, ViT-L at 448 pixels, trained on SBD (Liu et al. 2023).

python train.py models/iter_mask/plainvit_large448_sbd_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import data_config, simpleclick, train

MODEL_NAME = "sbd_vit_large448"
RECIPE = simpleclick.recipe(data=data_config.SBD_ITERATIVE, recompute=True)
init_model = simpleclick.large


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
