"""The MobileNetV2 baseline, trained on from a checkpoint with BatchNorm frozen: the default model's last stage.

    python train.py models/light/mobilenetv2_finetune.py --data my_photos --weights weights/mobilenetv2_default.pth

In training mode BatchNorm takes its statistics from the batch, and these differ from click to click; with those that
the predictor uses, late clicks are learnt as they will be answered.
"""

from dataclasses import replace

from isegm.recipes import light

# Mostly one click to start with, as people do, on a whole object rather than a part of it.
FIRST_CLICKS = replace(light.SAMPLER, prob_gamma=0.15, merge_all_prob=0.8)

MODEL_NAME = "finetuned_mobilenetv2"

init_model = light.mobilenetv2


def main(cfg):
    light.train(
        init_model(cfg),
        cfg,
        crops=((0, 320), (3, 384)),
        batch_size=16,
        epoch_len=1264,
        epochs=5,
        decay_from=1,
        lr=1e-3,
        max_clicks=5,
        sampler=FIRST_CLICKS,
        whole_views=0.45,
        freeze_batchnorm=True,
    )
