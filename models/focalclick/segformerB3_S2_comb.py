"""FocalClick S2, SegFormer-B3 on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/focalclick/segformerB3_S2_comb.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import clickseg

MODEL_NAME = "segformerB3_S2_comb"


def init_model(cfg):
    return clickseg.network("focalclick_segformerb3_s2", cfg)


def main(cfg):
    clickseg.train_focal_segformer(init_model(cfg), cfg, clickseg.combined(cfg, colours=True))
