"""ClickSEG's light baseline, PP-LCNet, trained on from pplcnet_x1_comb without clicks in turn (Chen et al. 2022).

    python train.py models/strongbaseline/pplcnet_x1_comb_noiter.py --gpus=0,1 --batch-size=32 --weights=LAST

LAST is the last checkpoint of pplcnet_x1_comb, with whose experiments those of this script lie, as published: tell them
apart with --exp-name. The loss counts the surroundings of clicks more. CLICKSEG_AS_PUBLISHED in config.yml: see there.
"""

from isegm.recipes import clickseg

MODEL_NAME = "pplcnet_x1_comb"
CLICKS = clickseg.sampler(0.9, first_click_center=False)


def init_model(cfg):
    return clickseg.network("clickseg_pplcnet", cfg)


def main(cfg):
    data = clickseg.combined(cfg)
    clickseg.train_baseline(init_model(cfg), cfg, data, lr=5e-2, clicks=CLICKS, finetunes=True)
