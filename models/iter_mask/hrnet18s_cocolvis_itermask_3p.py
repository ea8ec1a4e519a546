"""RITM, HRNet-18s trained on clicks in turn on COCO+LVIS ("HRNet18s IT-M" of Sofiiuk et al. 2021).

    python train.py models/iter_mask/hrnet18s_cocolvis_itermask_3p.py --gpus=0 --workers=4 --exp-name=first-try

Its published weights: python scripts/download.py weights coco_lvis_h18s_itermask
"""

from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "cocolvis_hrnet18s"
RECIPE = Recipe(
    crop=(320, 480), batch_size=32, lr=5e-4, epochs=230, milestones=(200, 220), checkpoint_every=((0, 5), (200, 1)),
    sampler=ritm.SAMPLER, clicks=3, losses=ritm.losses(aux=0.4), image_every=3000, data=data_config.COCO_LVIS,
)  # fmt: skip
init_model = ritm.hrnet18s


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
