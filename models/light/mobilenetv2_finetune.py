"""The MobileNetV2 baseline, trained on from a checkpoint with BatchNorm frozen: the default model's second stage.

    python train.py models/light/mobilenetv2_finetune.py --data my_photos --weights weights/mobilenetv2_default.pth

In training mode BatchNorm takes its statistics from the batch, and these differ from click to click; with those that
the predictor uses, late clicks are learnt as they will be answered.
"""

from isegm.recipes import light

MODEL_NAME = "finetuned_mobilenetv2"


def init_model(cfg):
    return light.model("clickseg_mobilenetv2", cfg, pretrained="MOBILENETV2")


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 320),),
        batch_size=16,
        epoch_len=592,
        epochs=3,
        decay_from=0.3,
        lr=1.5e-3,
        max_clicks=5,
        freeze_batchnorm=True,
    )
