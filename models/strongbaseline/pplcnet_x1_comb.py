"""ClickSEG's light baseline, PP-LCNet on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/strongbaseline/pplcnet_x1_comb.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import clickseg

MODEL_NAME = "pplcnet_x1_comb"


def init_model(cfg):
    return clickseg.network("clickseg_pplcnet", cfg)


def main(cfg):
    clickseg.train_baseline(init_model(cfg), cfg, clickseg.combined(cfg), lr=5e-2)
