"""FocalClick S2, SegFormer-B0 on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/focalclick/segformerB0_S2_comb.py --gpus=0,1 --workers=16 --batch-size=64

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import clickseg

MODEL_NAME = "segformerB0_S2_comb"


def init_model(cfg):
    return clickseg.network("focalclick_segformerb0_s2", cfg)


def main(cfg):
    clickseg.train_focal_segformer(init_model(cfg), cfg, clickseg.combined(cfg))
