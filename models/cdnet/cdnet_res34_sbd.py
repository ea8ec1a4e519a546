"""CDNet, ResNet-34 on SBD (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation").

    python train.py models/cdnet/cdnet_res34_sbd.py --gpus=0,1 --workers=16 --batch-size=32

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops.
Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl.
"""

from isegm.recipes import clickseg

MODEL_NAME = "cdnet_res34_sbd"


def init_model(cfg):
    return clickseg.network("cdnet_resnet34", cfg)


def main(cfg):
    clickseg.train_cdnet(init_model(cfg), cfg, clickseg.sbd(cfg))
