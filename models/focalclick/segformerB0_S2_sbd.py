"""FocalClick S2, SegFormer-B0 on SBD (Chen et al. 2022).

    python train.py models/focalclick/segformerB0_S2_sbd.py --gpus=0,1 --workers=16 --batch-size=64

CLICKSEG_AS_PUBLISHED in config.yml brings back the published crops.
Hard images are drawn more often, by the scores in assets/sbd_samples_weights.pkl.
"""

from isegm.recipes import clickseg

MODEL_NAME = "segformerB0_S2_sbd"


def init_model(cfg):
    return clickseg.network("focalclick_segformerb0_s2", cfg)


def main(cfg):
    clickseg.train_focal_segformer(init_model(cfg), cfg, clickseg.sbd(cfg))
