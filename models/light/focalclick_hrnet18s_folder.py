"""FocalClick S1 on HRNet-18s, on images-and-masks folders, by a recipe short enough for a CPU, from random weights too.

    python train.py models/light/focalclick_hrnet18s_folder.py --data my_photos --cpu --amp bf16 --exp-name first-try

All of it learns at one rate, and some samples start from a wrong mask, so that it corrects masks that it is given.
Evaluate it as FocalClick with --infer-size=256. The published recipe is models/focalclick/hrnet18s_S1_cclvs.py.
"""

from isegm.recipes import light

MODEL_NAME = "folder_focalclick_hrnet18s"
init_model = light.focalclick_hrnet18s


def main(cfg):
    network = init_model(cfg)
    light.train(network, cfg, crops=((0, 256),), batch_size=16, epoch_len=800, epochs=18, decay_from=8, lr=2e-3)
