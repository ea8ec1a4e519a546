"""A small SegNext, ViT-tiny at 512 pixels, on images-and-masks folders, from scratch.

    python train.py models/segnext/vit_tiny512_folder.py --data my_images --exp-name first-try

Images are stretched in training as they are in inference.
"""

from isegm.recipes import Recipe, light, segnext, train

MODEL_NAME = "folder_segnext_vit_tiny512"
RECIPE = Recipe(
    data=light.folders(epoch_len=1000), crop=(512, 512), sampler=light.SAMPLER, clicks=3, losses=light.losses(aux=None),
    ema=0.998, image_every=0, batch_size=16, lr=5e-4, clip_norm=1.0, epochs=60, warmup=2.0, decay_from=10,
)  # fmt: skip
init_model = segnext.tiny


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
