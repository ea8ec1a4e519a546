"""RITM's HRNet-18s with previous mask on images-and-masks folders.

    python train.py models/iter_mask/hrnet18s_folder.py --data my_images --gpus 0 --exp-name first-try

The recipe is that of Sofiiuk et al. 2021, with fewer and shorter epochs for less data.
"""

from isegm.recipes import FolderData, Recipe, ritm, train

MODEL_NAME = "folder_hrnet18s"
RECIPE = Recipe(
    crop=(320, 480), batch_size=16, lr=5e-4, epochs=60, milestones=(45, 55), checkpoint_every=5,
    data=FolderData(epoch_len=2000, min_area=80, views=ritm.folder_views), sampler=ritm.SAMPLER, clicks=3,
    losses=ritm.losses(aux=0.4), image_every=500,
)  # fmt: skip
init_model = ritm.hrnet18s


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
