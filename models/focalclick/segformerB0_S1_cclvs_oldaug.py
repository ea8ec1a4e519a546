"""FocalClick S1, SegFormer-B0 on COCO+LVIS (Chen et al. 2022).

    python train.py models/focalclick/segformerB0_S1_cclvs_oldaug.py --gpus=0,1 --workers=16 --batch-size=64

The published command of the S1 model runs this script, whose views show about the whole image. Its experiments lie with
those of segformerB0_S1_cclvs, as published: tell them apart with --exp-name.
"""

from isegm.recipes import clickseg

MODEL_NAME = "segformerB0_S1_cclvs"  # as published, not the name of this file


def init_model(cfg):
    return clickseg.network("focalclick_segformerb0_s1", cfg)


def main(cfg):
    views = clickseg.coco_lvis(cfg, oldaug=True)
    clickseg.train_focal_segformer(init_model(cfg), cfg, views)
