"""RITM, HRNet-18 trained on clicks in turn on SBD ("HRNet18 IT-M", SBD, of Sofiiuk et al. 2021).

    python train.py models/iter_mask/hrnet18_sbd_itermask_3p.py --gpus=0 --workers=4 --exp-name=first-try

Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl. Its published weights:
python scripts/download.py weights sbd_h18_itermask
"""

from isegm.recipes import Recipe, data_config, ritm, train

MODEL_NAME = "sbd_hrnet18"
RECIPE = Recipe(
    crop=(320, 480), batch_size=28, lr=5e-4, epochs=220, milestones=(200, 215), checkpoint_every=((0, 5), (100, 1)),
    sampler=ritm.SAMPLER, clicks=3, losses=ritm.losses(aux=0.4), image_every=3000, data=data_config.SBD_ITERATIVE,
)  # fmt: skip
init_model = ritm.hrnet18


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
