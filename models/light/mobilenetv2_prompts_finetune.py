"""The MobileNetV2 baseline, trained on so that it reads boxes and scribbles themselves, beside clicks.

    python train.py models/light/mobilenetv2_prompts_finetune.py --data photos --weights weights/mobilenetv2_default.pth

A quarter of the samples begins with a box, a quarter with a scribble. Boxes and scribbles share the maps of clicks, so
that the weights of a network that knows clicks alone fit. docs/training.md says what a short run brought.
"""

from isegm.data.drawn_prompts import DrawnPrompts
from isegm.recipes import Recipe, light, train

MODEL_NAME = "prompts_mobilenetv2"
RECIPE = Recipe(
    data=light.folders(epoch_len=1600), crop=(256, 256), batch_size=8, cpu_micro_batch=2, sampler=light.SAMPLER,
    prompts=DrawnPrompts(), losses=light.losses(aux=0.4), clicks=2, train_every_click=True, interleaved_batches=5,
    freeze_batchnorm=True, starts_from=light.TRAINED, lr=2e-4, backbone_lr=0.25, clip_norm=5.0,
    epochs=4, warmup=0.2, decay_from=1,
)  # fmt: skip


def init_model(cfg):
    return light.mobilenetv2(cfg, strokes=True)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
