"""FocalClick S2, SegFormer-B0 on ClickSEG's combined set (Chen et al. 2022).

    python train.py models/focalclick/segformerB0_S2_comb.py --gpus=0,1 --workers=16 --batch-size=64

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops and part of COCO+LVIS; by default
crops have the sides that were drawn, and all images are seen.
"""

from isegm.recipes import Recipe, clickseg, train

MODEL_NAME = "segformerB0_S2_comb"
RECIPE = Recipe(
    crop=(256, 256), batch_size=28, lr=5e-3, epochs=230, milestones=(190, 210), checkpoint_every=((0, 50), (200, 5)),
    sampler=clickseg.SAMPLER, clicks=3, losses=clickseg.focal_losses(aux=None), data=clickseg.combined(stuff=0.1),
)  # fmt: skip


def init_model(cfg):
    return clickseg.network("focalclick_segformerb0_s2", cfg)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
