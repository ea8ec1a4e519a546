"""The small SegNext at 224 pixels, for training on a CPU, on images-and-masks folders, from scratch.

    python train.py models/segnext/vit_tiny224_folder.py --data my_images --cpu --data-on-device --exp-name first-try

Images are stretched in training as they are in inference.
"""

from functools import partial

from isegm.recipes import Recipe, light, segnext, train

MODEL_NAME = "folder_segnext_vit_tiny224"
RECIPE = Recipe(
    data=light.folders(epoch_len=1000), crop=(224, 224), sampler=light.SAMPLER, clicks=3, losses=light.losses(aux=None),
    ema=0.998, image_every=0, batch_size=8, lr=5e-4, clip_norm=1.0, epochs=10, warmup=1.0, decay_from=2,
)  # fmt: skip
init_model = partial(segnext.tiny, img_size=(224, 224))


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
