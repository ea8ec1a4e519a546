"""EMC-Click's HRNet-18s on images-and-masks folders.

    python train.py models/emcclick/hrnet18s_folder.py --data my_images --gpus 0 --exp-name first-try

The recipe is that of Du et al. 2023, with fewer and shorter epochs for less data.
"""

from dataclasses import replace

from isegm.recipes import FolderData, emcclick, launch, ritm, train

MODEL_NAME = "folder_emcclick_hrnet18s"
RECIPE = replace(
    emcclick.recipe(lr=1e-3, aux=0.4), data=FolderData(epoch_len=2000, min_area=300, views=ritm.folder_views),
    batch_size=16, epochs=60, milestones=(45, 55), checkpoint_every=5, image_every=500,
)  # fmt: skip


def init_model(cfg):
    return launch.built("emcclick_hrnet18s", cfg, "HRNETV2_W18_SMALL")


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
