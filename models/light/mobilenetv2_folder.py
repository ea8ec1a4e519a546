"""ClickSEG's MobileNetV2 baseline on images-and-masks folders, by a recipe short enough for a CPU.

    python train.py models/light/mobilenetv2_folder.py --data my_images --exp-name first-try

The default model's first stage: see weights/README.md. ``mobilenetv2_folder_stage2.py`` goes on from it.
"""

from isegm.recipes import Recipe, light, train

MODEL_NAME = "folder_mobilenetv2"
RECIPE = Recipe(
    data=light.folders(epoch_len=800), crop={0: (192, 192), 11: (256, 256), 17: (320, 320)}, sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4),
    precise_bn_batches=8, image_every=200, recompute_above=light.RECOMPUTE_ABOVE,
    batch_size=16, lr=3e-3, backbone_lr=0.25, clip_norm=5.0, epochs=20, warmup=0.6, decay_from=8,
)  # fmt: skip
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
