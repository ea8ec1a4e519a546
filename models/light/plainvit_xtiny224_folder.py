"""SimpleClick's ViT-xTiny on folders, at 224 pixels, from scratch, with CFR-ICL's iterative click loss.

    python train.py models/light/plainvit_xtiny224_folder.py --data my_images --exp-name first-try

Small enough for a CPU. For comparison without the loss: --set click_weights=null. Score it at the size of its training
with --eval-mode=fixed224.
"""

from functools import partial

from isegm.recipes import Recipe, cfr_icl, light, simpleclick, train

MODEL_NAME = "folder_plainvit_xtiny224"
RECIPE = Recipe(
    data=light.folders(epoch_len=1000), crop={0: (160, 160), 6: (224, 224)}, sampler=light.SAMPLER,
    clicks=cfr_icl.CLICKS, appended_clicks=True, click_weights=cfr_icl.CLICK_WEIGHTS, losses=light.losses(aux=None),
    ema=0.998, image_every=0, batch_size=8, lr=5e-4, clip_norm=5.0, epochs=10, warmup=1.0, decay_from=1,
)  # fmt: skip
init_model = partial(simpleclick.xtiny, img_size=(224, 224))


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
