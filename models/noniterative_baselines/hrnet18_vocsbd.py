"""RITM's baseline without iterative training, HRNet-18 on Pascal VOC and SBD (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/hrnet18_vocsbd.py --gpus=0 --workers=4 --exp-name=first-try

Images of both train lists; SBD's val validates. As published, all HRNet-18 baselines number their experiments in one
folder: say vocsbd in --exp-name.
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "hrnet18"
IMAGES = data_config.VOC_SBD
init_model = ritm.hrnet18_baseline


def main(cfg):
    ritm.train_baseline(init_model(cfg), cfg, IMAGES, epochs=120, milestones=(100, 115))
