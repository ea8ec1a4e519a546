"""RITM's HRNet-18s on images-and-masks folders, by a recipe short enough for a CPU, from scratch too.

    python train.py models/light/hrnet18s_folder.py --data my_images --exp-name first-try

All of it learns at one learning rate. It sees views of up to 224 pixels, and is to be evaluated on such:
--eval-mode=fixed224. ``models/iter_mask/hrnet18s_folder.py`` has the published recipe, for a GPU.
"""

from isegm.recipes import Recipe, light, ritm, train

MODEL_NAME = "folder_light_hrnet18s"
RECIPE = Recipe(
    data=light.folders(epoch_len=800), crop={0: (160, 160), 9: (224, 224)}, sampler=light.SAMPLER,
    clicks=5, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4),
    precise_bn_batches=8, image_every=200,
    batch_size=16, lr=1e-3, backbone_lr=1.0, clip_norm=5.0, epochs=12, warmup=0.6, decay_from=6,
)  # fmt: skip
init_model = ritm.hrnet18s


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
