"""RITM's baseline without iterative training, HRNet-18 on COCO (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/hrnet18_coco.py --gpus=0 --workers=4 --exp-name=first-try

As published, all HRNet-18 baselines number their experiments in one folder: say coco in --exp-name.
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "hrnet18"
IMAGES = data_config.COCO
init_model = ritm.hrnet18_baseline


def main(cfg):
    ritm.train_baseline(init_model(cfg), cfg, IMAGES, epochs=140, milestones=(120, 135))
