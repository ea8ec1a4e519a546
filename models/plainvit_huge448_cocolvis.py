"""CFR-ICL, ViT-H at 448 pixels, trained on from SimpleClick's weights on COCO+LVIS (Sun et al. 2024).

    python train.py models/plainvit_huge448_cocolvis.py --batch-size=32 --ngpus=4

The checkpoint to start from: CL_VIT_HUGE below IMAGENET_PRETRAINED_MODELS in config.yml, or --weights.
"""

from dataclasses import replace

from isegm.recipes import cfr_icl, train

MODEL_NAME = "cocolvis_vit_huge448"
RECIPE = cfr_icl.huge_recipe(
    data=replace(cfr_icl.COCO_LVIS, train=replace(cfr_icl.COCO_LVIS.train, epoch_len=3000)),
    epochs=1, checkpoint_every=((0, 1), (50, 1)),
)  # fmt: skip
init_model = cfr_icl.huge_of_cocolvis


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
