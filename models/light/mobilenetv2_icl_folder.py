"""The MobileNetV2 baseline on folders, trained as CFR-ICL trains (Sun et al. 2024).

    python train.py models/light/mobilenetv2_icl_folder.py --data my_images --exp-name first-try

Every pass of a batch is trained by the iterative click loss, and objects are pasted between views. For comparison
without the loss: --set click_weights=null; without the pasting: --set data.suem=null.
"""

from dataclasses import replace

from isegm.recipes import Recipe, cfr_icl, light, train

MODEL_NAME = "folder_mobilenetv2_icl"
RECIPE = Recipe(
    data=replace(light.folders(epoch_len=800), copy_paste=None, suem=cfr_icl.SUEM),
    crop={0: (192, 192), 14: (256, 256)}, sampler=replace(light.SAMPLER, click_orders=True), clicks=cfr_icl.CLICKS,
    appended_clicks=True, click_weights=cfr_icl.CLICK_WEIGHTS, losses=light.losses(aux=0.4),
    image_every=200, recompute_above=light.RECOMPUTE_ABOVE,
    precise_bn_batches=8, batch_size=16, lr=3e-3, backbone_lr=0.25, clip_norm=5.0, epochs=20, warmup=0.6, decay_from=8,
)  # fmt: skip
init_model = light.mobilenetv2


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
