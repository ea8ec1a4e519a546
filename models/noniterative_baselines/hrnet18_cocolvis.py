"""RITM's baseline without iterative training, HRNet-18 on COCO+LVIS (Sofiiuk et al. 2021).

    python train.py models/noniterative_baselines/hrnet18_cocolvis.py --gpus=0 --workers=4 --exp-name=first-try

As published, all HRNet-18 baselines number their experiments in one folder: say cocolvis in --exp-name.
Its published weights: python scripts/download.py weights coco_lvis_h18_baseline
"""

from isegm.recipes import data_config, ritm

MODEL_NAME = "hrnet18"
IMAGES = data_config.COCO_LVIS
init_model = ritm.hrnet18_baseline


def main(cfg):
    ritm.train_baseline(
        init_model(cfg),
        cfg,
        IMAGES,
        epochs=230,
        milestones=(200, 220),
        checkpoint_interval=((0, 5), (200, 1)),
        image_dump_interval=3000,
    )
