"""RITM, HRNet-18 trained on clicks in turn on SBD ("HRNet18 IT-M", SBD, of Sofiiuk et al. 2021).

    python train.py models/iter_mask/hrnet18_sbd_itermask_3p.py --gpus=0 --workers=4 --exp-name=first-try

Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl. Its published weights:
python scripts/download.py weights sbd_h18_itermask
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "sbd_hrnet18"
SCHEDULE = dict(batch_size=28, epochs=220, milestones=(200, 215), checkpoint_interval=((0, 5), (100, 1)))
init_model = ritm.hrnet18


def main(cfg):
    ritm.train_iterative(init_model(cfg), cfg, data_config.SBD_ITERATIVE, **SCHEDULE)
