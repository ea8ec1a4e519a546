"""The MobileNetV2 baseline after ``mobilenetv2_folder.py``: larger views, BatchNorm as the predictor uses it.

    python train.py models/light/mobilenetv2_folder_stage2.py --data my_images --weights <last checkpoint of stage 1>

The default model went on from it with ``mobilenetv2_mixed.py``: see weights/README.md. For a few images of your own
take ``mobilenetv2_finetune.py``, which is gentler.
"""

from isegm.recipes import Recipe, light, train

MODEL_NAME = "folder_mobilenetv2_stage2"
RECIPE = Recipe(
    data=light.folders(epoch_len=640), crop={0: (320, 320), 5: (384, 384)}, sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4),
    freeze_batchnorm=True, starts_from=light.TRAINED, image_every=200,
    batch_size=16, cpu_micro_batch=1, lr=5e-4, backbone_lr=0.25, clip_norm=5.0, epochs=8, warmup=0.6, decay_from=1,
)  # fmt: skip
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
