"""CFR-ICL, ViT-B at 448 pixels, trained on from SimpleClick's weights on COCO+LVIS (Sun et al. 2024).

    python train.py models/plainvit_base448_cocolvis.py --batch-size=32 --ngpus=4

The checkpoint to start from: CL_VIT_BASE below IMAGENET_PRETRAINED_MODELS in config.yml, or --weights.
"""

from isegm.recipes import cfr_icl, train

MODEL_NAME = "cocolvis_plainvit_base448"
RECIPE = cfr_icl.recipe(data=cfr_icl.COCO_LVIS, epochs=5, checkpoint_every=((0, 1), (50, 1)))
init_model = cfr_icl.base_of_cocolvis


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
