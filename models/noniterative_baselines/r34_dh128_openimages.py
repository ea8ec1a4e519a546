"""RITM's baseline without iterative training, ResNet-34 (dh128) on OpenImages (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/r34_dh128_openimages.py --gpus=0 --workers=4 --exp-name=first-try

As published, all ResNet-34 baselines number their experiments in one folder: say openimages in --exp-name.
"""

from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "resnet34"
RECIPE = Recipe(
    crop=(320, 480), batch_size=28, lr=5e-4, epochs=140, milestones=(120, 135), checkpoint_every=5,
    sampler=ritm.SAMPLER, clicks=0, losses=ritm.losses(aux=None), image_every=2000, data=data_config.OPENIMAGES,
)  # fmt: skip
init_model = ritm.resnet34_baseline


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
