"""SegNext, trained on with HQSeg-44K from its network of COCO+LVIS (Liu et al. 2024).

The published network is that of the first epoch, ``000.pth``.

python train.py models/default/plainvit_base1024_hqseg44k_sax2.py --batch-size=12 --ngpus=4 --weights FILE
"""

from isegm.recipes import segnext, train

MODEL_NAME = "plainvit_base1024_hqseg44k_sax2"
RECIPE = segnext.recipe(data=segnext.HQSEG44K)
init_model = segnext.sax2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
