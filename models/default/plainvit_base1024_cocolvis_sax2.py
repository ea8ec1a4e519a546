"""SegNext, ViT-B at 1024 pixels with two blocks of fusion, on COCO+LVIS (Liu et al. 2024).

python train.py models/default/plainvit_base1024_cocolvis_sax2.py --batch-size=16 --ngpus=4
"""

from isegm.recipes import segnext, train

MODEL_NAME = "plainvit_base1024_cocolvis_sax2"
RECIPE = segnext.recipe()
init_model = segnext.sax2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
