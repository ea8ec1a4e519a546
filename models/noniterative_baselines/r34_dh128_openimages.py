"""RITM's baseline without iterative training, ResNet-34 (dh128) on OpenImages (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/r34_dh128_openimages.py --gpus=0 --workers=4 --exp-name=first-try

As published, all ResNet-34 baselines number their experiments in one folder: say openimages in --exp-name.
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "resnet34"
IMAGES = data_config.OPENIMAGES
init_model = ritm.resnet34_baseline


def main(cfg):
    ritm.train_baseline(init_model(cfg), cfg, IMAGES, epochs=140, milestones=(120, 135))
