"""SimpleClick, ViT-B at 448 pixels, trained on COCO+LVIS (Liu et al. 2023).

python train.py models/iter_mask/plainvit_base448_cocolvis_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import simpleclick, train

MODEL_NAME = "cocolvis_plainvit_base448"
RECIPE = simpleclick.recipe()
init_model = simpleclick.base


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
