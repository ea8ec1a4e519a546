"""RITM's HRNet-18s with previous mask on images-and-masks folders.

    python train.py models/iter_mask/hrnet18s_folder.py --data my_photos --gpus 0 --exp-name first-try

The recipe is that of Sofiiuk et al. 2021, with fewer and shorter epochs for less data.
"""

from isegm.recipes import ritm

MODEL_NAME = "folder_hrnet18s"

init_model = ritm.hrnet18s


def main(cfg):
    ritm.train_on_folders(
        init_model(cfg), cfg, crop=(320, 480), batch_size=16, epoch_len=2000, epochs=60, milestones=(45, 55)
    )
