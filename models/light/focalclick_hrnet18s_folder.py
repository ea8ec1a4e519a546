"""FocalClick S1 on HRNet-18s, on images-and-masks folders, by a recipe short enough for a CPU, from scratch too.

    python train.py models/light/focalclick_hrnet18s_folder.py --data my_images --cpu --amp bf16 --exp-name first-try

All of it learns at one learning rate, and some samples start from a wrong mask, so that it corrects masks that it is
given. Evaluate it as FocalClick with --infer-size=256. The published recipe is models/focalclick/hrnet18s_S1_cclvs.py.
"""

from isegm.data.corrupted_masks import CorruptedInitialMasks
from isegm.recipes import Recipe, light, train

MODEL_NAME = "folder_focalclick_hrnet18s"
RECIPE = Recipe(
    data=light.folders(epoch_len=800), crop=(256, 256), sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4, refiner=True),
    initial_masks=CorruptedInitialMasks(p=0.3, iou=(0.55, 0.92)), precise_bn_batches=8, image_every=200,
    batch_size=16, lr=2e-3, backbone_lr=1.0, clip_norm=5.0, epochs=18, warmup=0.6, decay_from=8,
)  # fmt: skip
init_model = light.focalclick_hrnet18s


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
