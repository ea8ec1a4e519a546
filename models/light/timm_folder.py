"""A light click network on any backbone of timm, on images-and-masks folders, by a recipe short enough for a CPU.

    python train.py models/light/timm_folder.py --data my_images --backbone convnext_tiny --exp-name first-try

Without --backbone it is resnet18. With TIMM_BACKBONE: timm below IMAGENET_PRETRAINED_MODELS in config.yml the backbone
starts from timm's weights, which are downloaded once. Experiments with all backbones are numbered in one folder.
"""

from isegm.recipes import Recipe, light, train

MODEL_NAME = "folder_timm"
RECIPE = Recipe(
    data=light.folders(epoch_len=800), crop={0: (192, 192), 11: (256, 256)}, sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4),
    precise_bn_batches=8, image_every=200,
    batch_size=16, lr=1e-3, clip_norm=5.0, epochs=20, warmup=0.6, decay_from=8,
)  # fmt: skip


def init_model(cfg):
    return light.timm_lraspp(cfg, backbone_lr_mult=0.25)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
