"""SimpleClick, ViT-B at 896 pixels, trained on COCO+LVIS (Liu et al. 2023).

python train.py models/iter_mask/plainvit_base896_cocolvis_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import simpleclick, train

MODEL_NAME = "cocolvis_plainvit_base896"
RECIPE = simpleclick.recipe(
    side=896, lr=5e-4, epochs=230, milestones=(190, 220), checkpoint_every=((0, 10), (50, 1)),
)  # fmt: skip
init_model = simpleclick.base896


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
