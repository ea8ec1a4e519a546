"""CDNet, ResNet-34 on COCO+LVIS (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation").

    python train.py models/cdnet/cdnet_res34_cclvs.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops; by default they have the sides that were drawn.
"""

from isegm.recipes import Recipe, clickseg, train

MODEL_NAME = "cdnet_res34_cclvs"
RECIPE = Recipe(
    crop=(384, 384), batch_size=32, lr=5e-4, epochs=120, milestones=(80, 105), checkpoint_every=((0, 50), (100, 5)),
    sampler=clickseg.SAMPLER, clicks=0, losses=clickseg.cdnet_losses(fdm=0.4, diversity=1.0),
    data=clickseg.coco_lvis(stuff=0.2),
)  # fmt: skip


def init_model(cfg):
    return clickseg.network("cdnet_resnet34", cfg)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
