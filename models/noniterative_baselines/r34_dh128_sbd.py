"""RITM's baseline without iterative training, ResNet-34 (dh128) on SBD (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/r34_dh128_sbd.py --gpus=0 --workers=4 --exp-name=first-try

Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl. As published, all ResNet-34
baselines number their experiments in one folder: say sbd in --exp-name.
"""

from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "resnet34"
RECIPE = Recipe(
    crop=(320, 480), batch_size=28, lr=5e-4, epochs=120, milestones=(100, 115), checkpoint_every=5,
    sampler=ritm.SAMPLER, clicks=0, losses=ritm.losses(aux=None), image_every=2000, data=data_config.SBD,
)  # fmt: skip
init_model = ritm.resnet34_baseline


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
