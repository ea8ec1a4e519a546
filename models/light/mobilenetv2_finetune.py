"""The MobileNetV2 baseline, trained on from a checkpoint: the default model for your own images.

    python train.py models/light/mobilenetv2_finetune.py --data my_photos --weights weights/mobilenetv2_default.pth

BatchNorm keeps the checkpoint's statistics, and the rate is low, as a higher one spoils the model. Even so a short run
costs a little on other images (see weights/README.md): compare both checkpoints on yours. For many images give more
--epochs.
"""

from isegm.recipes import light

MODEL_NAME = "finetuned_mobilenetv2"

init_model = light.mobilenetv2


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 384),),
        batch_size=16,
        epoch_len=320,
        epochs=3,
        decay_from=1,
        lr=2e-4,
        backbone_lr=light.BACKBONE_LR,
        freeze_batchnorm=True,
    )
