"""RITM's HRNet-18s on images-and-masks folders from random weights, by a recipe short enough for a CPU.

    python train.py models/light/hrnet18s_folder.py --data my_photos --exp-name first-try

``models/iter_mask/hrnet18s_folder.py`` is the published recipe, for a GPU.
"""

from isegm.recipes import light, ritm

MODEL_NAME = "folder_light_hrnet18s"


def init_model(cfg):
    return ritm.hrnet("18s", cfg, pretrained="HRNETV2_W18_SMALL")


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 160), (9, 224)),
        batch_size=16,
        epoch_len=800,
        epochs=12,
        decay_from=6,
        lr=1e-3,
    )
