"""A light click network on any timm backbone, on images that stay on a GPU, some minutes at a time.

    python train.py models/light/timm_mixed.py --data images.pack --backbone convnext_tiny --amp bf16 --minutes 8

The recipe of mobilenetv2_mixed.py, which says more. Without --backbone it is resnet18. With TIMM_BACKBONE: timm below
IMAGENET_PRETRAINED_MODELS in config.yml the backbone starts from timm's weights, which are downloaded once.
"""

from isegm.recipes import light, train

MODEL_NAME = "mixed_timm"
RECIPE = light.mixed_clicks()


def init_model(cfg):
    return light.timm_lraspp(cfg, backbone_lr_mult=0.25)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
