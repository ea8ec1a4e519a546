"""SegNext, SAx2 on COCO+LVIS, with images stretched in training as they are in inference.

python train.py models/segnext/plainvit_base1024_cocolvis_sax2_stretched.py --batch-size=16 --ngpus=4
"""

from isegm.recipes import segnext, train

MODEL_NAME = "plainvit_base1024_cocolvis_sax2_stretched"
RECIPE = segnext.recipe(data=segnext.stretched(segnext.COCO_LVIS))
init_model = segnext.sax2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
