"""The MobileNetV2 baseline, trained on from a checkpoint: the default model for your own photos.

    python train.py models/light/mobilenetv2_finetune.py --data my_photos --weights weights/mobilenetv2_default.pth

BatchNorm keeps the checkpoint's statistics.
"""

from isegm.recipes import light

MODEL_NAME = "finetuned_mobilenetv2"

init_model = light.mobilenetv2


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 256), (7, 320), (12, 384)),
        batch_size=16,
        epoch_len=640,
        epochs=15,
        decay_from=5,
        lr=1.5e-3,
        freeze_batchnorm=True,
    )
