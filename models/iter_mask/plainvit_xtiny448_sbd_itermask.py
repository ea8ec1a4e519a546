"""SimpleClick, ViT-xTiny at 448 pixels, trained on SBD (Liu et al. 2023).

python train.py models/iter_mask/plainvit_xtiny448_sbd_itermask.py --batch-size=32 --ngpus=4
"""

from isegm.recipes import data_config, simpleclick, train

MODEL_NAME = "sbd_plainvit_xtiny448"
RECIPE = simpleclick.recipe(
    data=data_config.SBD_ITERATIVE, lr=1e-5, epochs=1001, milestones=(800, 900),
    checkpoint_every=((0, 100), (900, 50)), image_every=1000,
)  # fmt: skip
init_model = simpleclick.xtiny


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
