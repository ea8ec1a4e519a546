"""ClickSEG's light baseline, PP-LCNet on COCO+LVIS (Chen et al. 2022).

    python train.py models/strongbaseline/pplcnet_x1_cclvs.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops; by default they have the sides that were drawn.
"""

from isegm.recipes import Recipe, clickseg, train

MODEL_NAME = "pplcnet_x1_cclvs"
RECIPE = Recipe(
    crop=(384, 384), batch_size=32, lr=5e-3, epochs=230, milestones=(190, 210), checkpoint_every=((0, 50), (200, 10)),
    sampler=clickseg.LIGHT_SAMPLER, clicks=3, losses=clickseg.light_losses(aux=0.4), data=clickseg.coco_lvis(stuff=0.2),
)  # fmt: skip


def init_model(cfg):
    return clickseg.network("clickseg_pplcnet", cfg)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
