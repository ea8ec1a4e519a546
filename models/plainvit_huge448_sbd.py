"""CFR-ICL, ViT-H at 448 pixels, trained on from SimpleClick's weights on SBD (Sun et al. 2024).

    python train.py models/plainvit_huge448_sbd.py --batch-size=32 --ngpus=4

The checkpoint to start from: SBD_VIT_HUGE below IMAGENET_PRETRAINED_MODELS in config.yml, or --weights.
"""

from isegm.recipes import cfr_icl, train

MODEL_NAME = "sbd_vit_huge448"
RECIPE = cfr_icl.huge_recipe(data=cfr_icl.SBD, epochs=5, checkpoint_every=((0, 1), (50, 1)))
init_model = cfr_icl.huge_of_sbd


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
