"""SegNext, SAx2 trained on with HQSeg-44K, with images stretched in training as in inference.

python train.py models/segnext/plainvit_base1024_hqseg44k_sax2_stretched.py --batch-size=12 --ngpus=4 --weights FILE
"""

from isegm.recipes import segnext, train

MODEL_NAME = "plainvit_base1024_hqseg44k_sax2_stretched"
RECIPE = segnext.recipe(data=segnext.stretched(segnext.HQSEG44K))
init_model = segnext.sax2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
