"""SimpleClick, ViT-L at 224 pixels, trained on COCO+LVIS (Liu et al. 2023).

python train.py models/iter_mask/plainvit_large224_cocolvis_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import simpleclick, train

MODEL_NAME = "cocolvis_vit_large224"
RECIPE = simpleclick.recipe(
    side=224, lr=5e-4, milestones=(49, 55), checkpoint_every=((0, 5), (49, 1)), recompute=True,
)  # fmt: skip
init_model = simpleclick.large224


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
