"""The MobileNetV2 baseline, trained on from a checkpoint: the default model for your own images.

    python train.py models/light/mobilenetv2_finetune.py --data my_images --weights weights/mobilenetv2_default.pth

A recipe for some 20 photos of one kind, which takes minutes on a CPU; docs/training.md says what it brought. For many
images give more --epoch-len. BatchNorm keeps the checkpoint's statistics, and small batches make many steps of few
samples. The network becomes better at these photos and a little worse at others: compare both checkpoints.
"""

from isegm.recipes import Recipe, light, train

MODEL_NAME = "finetuned_mobilenetv2"
RECIPE = Recipe(
    data=light.folders(epoch_len=80), crop=(384, 384), sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4),
    freeze_batchnorm=True, starts_from=light.TRAINED, image_every=200,
    batch_size=4, cpu_micro_batch=1, lr=2e-4, backbone_lr=0.25, clip_norm=5.0, epochs=3, warmup=0.6, decay_from=1,
)  # fmt: skip
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
