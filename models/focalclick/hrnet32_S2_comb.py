"""FocalClick S2, HRNet-32 on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/focalclick/hrnet32_S2_comb.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import clickseg

MODEL_NAME = "hrnet32_S2_comb"


def init_model(cfg):
    return clickseg.network("focalclick_hrnet32_s2", cfg)


def main(cfg):
    clickseg.train_focal_hrnet(init_model(cfg), cfg, clickseg.combined(cfg, colours=True))
