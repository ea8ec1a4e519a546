"""SimpleClick, ViT-L at 448 pixels, trained on COCO+LVIS (Liu et al. 2023).

python train.py models/iter_mask/plainvit_large448_cocolvis_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import simpleclick, train

MODEL_NAME = "cocolvis_vit_large448"
RECIPE = simpleclick.recipe(recompute=True)
init_model = simpleclick.large


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
