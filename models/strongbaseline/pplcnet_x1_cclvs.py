"""ClickSEG's light baseline, PP-LCNet on COCO+LVIS (Chen et al. 2022).

    python train.py models/strongbaseline/pplcnet_x1_cclvs.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops; by default they have the sides that were drawn.
"""

from isegm.recipes import clickseg

MODEL_NAME = "pplcnet_x1_cclvs"


def init_model(cfg):
    return clickseg.network("clickseg_pplcnet", cfg)


def main(cfg):
    clickseg.train_baseline(init_model(cfg), cfg, clickseg.coco_lvis(cfg), lr=5e-3)
