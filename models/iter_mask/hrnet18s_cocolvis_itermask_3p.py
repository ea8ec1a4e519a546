"""RITM, HRNet-18s trained on clicks in turn on COCO+LVIS ("HRNet18s IT-M" of Sofiiuk et al. 2021).

    python train.py models/iter_mask/hrnet18s_cocolvis_itermask_3p.py --gpus=0 --workers=4 --exp-name=first-try

Its published weights: python scripts/download.py weights coco_lvis_h18s_itermask
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "cocolvis_hrnet18s"
SCHEDULE = dict(batch_size=32, epochs=230, milestones=(200, 220), checkpoint_interval=((0, 5), (200, 1)))
init_model = ritm.hrnet18s


def main(cfg):
    ritm.train_iterative(init_model(cfg), cfg, data_config.COCO_LVIS, **SCHEDULE)
