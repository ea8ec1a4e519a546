"""ClickSEG's MobileNetV2 baseline on images-and-masks folders, by a recipe short enough for a CPU.

    python train.py models/light/mobilenetv2_folder.py --data my_photos --exp-name first-try

The default model's first stage: see weights/README.md. ``mobilenetv2_folder_stage2.py`` goes on from it.
"""

from isegm.recipes import light

MODEL_NAME = "folder_mobilenetv2"

init_model = light.mobilenetv2


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 192), (11, 256), (17, 320)),
        batch_size=16,
        epoch_len=800,
        epochs=20,
        decay_from=8,
        lr=3e-3,
        backbone_lr=light.BACKBONE_LR,
    )
