"""Samples and clicks of CFR-ICL's experiments (Sun et al. 2024), for every network that reads a previous mask."""

from __future__ import annotations

from dataclasses import replace

from isegm.data.suem import SuemCopyPaste
from isegm.recipes import data_config, ritm
from isegm.recipes.data_config import SplitConfig

CLICKS = 3
CLICK_WEIGHTS = (1.0, 2.0, 3.0)  # of the iterative click loss, which only the largest networks are trained with
SUEM = SuemCopyPaste(paste_prob=0.5, mix_prob=0.5)
SAMPLER = replace(ritm.SAMPLER, click_orders=True)
COCO_LVIS = replace(data_config.COCO_LVIS, suem=SUEM)
SBD = replace(data_config.SBD_ITERATIVE, train=SplitConfig(20, keep_background=0.01), suem=SUEM)
