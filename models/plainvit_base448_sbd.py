"""CFR-ICL, ViT-B at 448 pixels, trained on from SimpleClick's weights on SBD (Sun et al. 2024).

    python train.py models/plainvit_base448_sbd.py --batch-size=32 --ngpus=4

The checkpoint to start from: SBD_VIT_BASE below IMAGENET_PRETRAINED_MODELS in config.yml, or --weights.
"""

from isegm.recipes import cfr_icl, train

MODEL_NAME = "sbd_plainvit_base448"
RECIPE = cfr_icl.recipe(data=cfr_icl.SBD, epochs=20, checkpoint_every=((0, 5), (50, 1)))
init_model = cfr_icl.base_of_sbd


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
