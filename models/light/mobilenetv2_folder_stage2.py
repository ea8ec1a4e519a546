"""The MobileNetV2 baseline after ``mobilenetv2_folder.py``: larger views, BatchNorm as the predictor uses it.

    python train.py models/light/mobilenetv2_folder_stage2.py --data my_photos --weights <last checkpoint of stage 1>

The default model was finished with it: see weights/README.md. For a few images of your own take
``mobilenetv2_finetune.py``, which is gentler.
"""

from isegm.recipes import light

MODEL_NAME = "folder_mobilenetv2_stage2"

init_model = light.mobilenetv2


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 320), (5, 384)),
        batch_size=16,
        epoch_len=640,
        epochs=8,
        decay_from=1,
        lr=5e-4,
        backbone_lr=light.BACKBONE_LR,
        freeze_batchnorm=True,
    )
