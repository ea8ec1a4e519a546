"""RITM's baseline without iterative training, HRNet-18 on COCO+LVIS (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/hrnet18_cocolvis.py --gpus=0 --workers=4 --exp-name=first-try

As published, all HRNet-18 baselines number their experiments in one folder: say cocolvis in --exp-name.
Its published weights: python scripts/download.py weights coco_lvis_h18_baseline
"""

from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "hrnet18"
RECIPE = Recipe(
    crop=(320, 480), batch_size=28, lr=5e-4, epochs=230, milestones=(200, 220), checkpoint_every=((0, 5), (200, 1)),
    sampler=ritm.SAMPLER, clicks=0, losses=ritm.losses(aux=0.4), image_every=3000, data=data_config.COCO_LVIS,
)  # fmt: skip
init_model = ritm.hrnet18_baseline


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
