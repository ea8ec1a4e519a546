"""The MobileNetV2 baseline on images that stay on a GPU, some minutes at a time.

    python train.py models/light/mobilenetv2_mixed.py --data images.pack --amp bf16 --minutes 8

Every click is trained, with samples of one to eight clicks in each step. A step takes 12 new samples and trains 96,
which is for GPUs: on a CPU --batch-size 2 took 9.8 GB, and mobilenetv2_folder.py suits better. --resume-exp goes on
after the minutes; docs/training.md says more. --weights starts from a trained network, such as
weights/mobilenetv2_default.pth.
"""

from isegm.recipes import light, train

MODEL_NAME = "mixed_mobilenetv2"
RECIPE = light.mixed_clicks(backbone_lr=0.25, recompute_above=light.RECOMPUTE_ABOVE)
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
