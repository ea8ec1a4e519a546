"""RITM's baseline without iterative training, HRNet-18 on SBD (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/hrnet18_sbd.py --gpus=0 --workers=4 --exp-name=first-try

Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl. As published, all HRNet-18
baselines number their experiments in one folder: say sbd in --exp-name.
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "hrnet18"
IMAGES = data_config.SBD
init_model = ritm.hrnet18_baseline


def main(cfg):
    ritm.train_baseline(init_model(cfg), cfg, IMAGES, epochs=120, milestones=(100, 115))
