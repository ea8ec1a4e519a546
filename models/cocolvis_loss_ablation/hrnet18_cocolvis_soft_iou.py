"""RITM's comparison of losses: one minus the soft IoU, HRNet-18 on COCO+LVIS (Sofiiuk et al. 2021).

    python train.py models/cocolvis_loss_ablation/hrnet18_cocolvis_soft_iou.py --gpus=0 --workers=4 --exp-name=first-try

As published, experiments with all losses are numbered in one folder: say soft_iou in --exp-name.
"""

from isegm.model.losses import SoftIoU
from isegm.recipes import data_config, ritm

MODEL_NAME = "hrnet18"
LOSS = SoftIoU()
init_model = ritm.hrnet18_baseline


def main(cfg):
    ritm.train_baseline(init_model(cfg), cfg, data_config.COCO_LVIS_80, loss=LOSS, epochs=160, milestones=(140, 155))
