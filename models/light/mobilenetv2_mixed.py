"""The MobileNetV2 baseline on images that stay on a GPU, some minutes at a time.

    python train.py models/light/mobilenetv2_mixed.py --data images.pack --amp bf16 --minutes 8

Every click is trained, with samples of one to eight clicks in each step. A step takes 12 new samples and trains 96,
which is for GPUs: on a CPU --batch-size 2 took 9.8 GB, and mobilenetv2_folder.py suits better. --resume-exp goes on
after the minutes; docs/training.md says more. --weights starts from a trained network, such as
weights/mobilenetv2_default.pth.
"""

from dataclasses import replace

from isegm.recipes import Recipe, light, train

# All regions of a landscape together are no object; some that lie side by side may be one.
SAMPLER = replace(light.SAMPLER, merge_all_prob=0.1, merge_neighbours=True)
MODEL_NAME = "mixed_mobilenetv2"
RECIPE = Recipe(
    data=light.folders(epoch_len=9600), crop={0: (256, 256), 12: (384, 384)}, sampler=SAMPLER,
    clicks=7, mixed_clicks=True, clicks_anywhere=0.15, losses=light.losses(aux=0.4), ema=0.998, image_every=0,
    recompute_above=light.RECOMPUTE_ABOVE,
    batch_size=12, lr=1.5e-3, backbone_lr=0.25, clip_norm=5.0, epochs=20, warmup=0.5, decay_from=0,
)  # fmt: skip
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
