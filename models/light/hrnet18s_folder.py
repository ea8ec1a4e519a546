"""RITM's HRNet-18s on images-and-masks folders, by a recipe short enough for a CPU, from random weights too.

    python train.py models/light/hrnet18s_folder.py --data my_photos --exp-name first-try

All of it learns at one rate. It sees views of up to 224 pixels, and is to be evaluated on such: --eval-mode=fixed224.
``models/iter_mask/hrnet18s_folder.py`` is the published recipe, for a GPU.
"""

from isegm.recipes import light, ritm

MODEL_NAME = "folder_light_hrnet18s"
SCHEDULE = dict(batch_size=16, epoch_len=800, epochs=12, decay_from=6, lr=1e-3)
init_model = ritm.hrnet18s


def main(cfg):
    light.train(init_model(cfg), cfg, crops=((0, 160), (9, 224)), **SCHEDULE)
