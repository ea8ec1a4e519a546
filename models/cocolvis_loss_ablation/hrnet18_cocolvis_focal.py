"""RITM's comparison of losses: the focal loss, HRNet-18 on COCO+LVIS (Sofiiuk et al. 2021).

    python train.py models/cocolvis_loss_ablation/hrnet18_cocolvis_focal.py --gpus=0 --workers=4 --exp-name=first-try

As published, experiments with all losses are numbered in one folder: say focal in --exp-name.
"""

from isegm.model.losses import FocalLoss
from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "hrnet18"
RECIPE = Recipe(
    crop=(320, 480), batch_size=28, lr=5e-4, epochs=160, milestones=(140, 155), checkpoint_every=5,
    sampler=ritm.SAMPLER, clicks=0, image_every=2000,
    losses=ritm.losses(aux=0.4, criterion=FocalLoss(alpha=0.5, gamma=2)),
    data=data_config.COCO_LVIS_80,
)  # fmt: skip
init_model = ritm.hrnet18_baseline


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
