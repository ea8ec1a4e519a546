"""FocalClick S2, HRNet-18s on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/focalclick/hrnet18s_S2_comb.py --gpus=0,1 --workers=16 --batch-size=64

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import Recipe, clickseg, train

MODEL_NAME = "hrnet18s_S2_comb"
RECIPE = Recipe(
    crop=(256, 256), batch_size=32, lr=5e-4, epochs=230, milestones=(190, 210), checkpoint_every=((0, 50), (200, 10)),
    sampler=clickseg.SAMPLER, clicks=3, losses=clickseg.focal_losses(aux=0.4), data=clickseg.combined(stuff=0.1),
)  # fmt: skip


def init_model(cfg):
    return clickseg.network("focalclick_hrnet18s_s2", cfg)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
