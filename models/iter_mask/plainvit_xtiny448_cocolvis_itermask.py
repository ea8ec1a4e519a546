"""SimpleClick, ViT-xTiny at 448 pixels, trained on COCO+LVIS (Liu et al. 2023).

python train.py models/iter_mask/plainvit_xtiny448_cocolvis_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import simpleclick, train

MODEL_NAME = "cocolvis_plainvit_xtiny448"
RECIPE = simpleclick.recipe(
    epochs=230, milestones=(200, 230), checkpoint_every=((0, 50), (300, 5)), image_every=1000,
)  # fmt: skip
init_model = simpleclick.xtiny


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
