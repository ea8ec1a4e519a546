"""A tiny network with a refiner, and samples with focus crops for it."""

import torch
import torch.nn.functional as F
from torch import nn

from isegm.data.refiner_crops import FocusCrops, WholeTargets
from isegm.engine.tasks import FocalClicks, LossTerm
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss, WeightedNormalizedFocalLoss
from tests.engine.tiny import TinyModel

STEPS = (WholeTargets(40, max_share=0.9, min_part=20), FocusCrops(32))
TERMS = {
    "instance_loss": LossTerm(NormalizedFocalLoss(0.5, 2)),
    "refine_loss": LossTerm(
        WeightedNormalizedFocalLoss(alpha=0.5, gamma=2),
        output="instances_refined",
        target="instances_focus",
        inputs=("trimap_focus",),
    ),
    "trimap_loss": LossTerm(SigmoidBinaryCrossEntropyLoss(), output="trimap", target="trimap_focus"),
}
FOCAL = FocalClicks(TERMS, max_num_next_clicks=3)
FOCAL_EVERY_CLICK = FocalClicks(TERMS, max_num_next_clicks=2, train_every_click=True)


class TinyFocal(TinyModel):
    """``TinyModel`` with a convolution on the crop, its clicks and the cropped answer."""

    has_refiner = True

    def __init__(self, norm=False, dropout=0.0):
        super().__init__(norm, dropout)
        self.details = nn.Conv2d(6, 2, 3, padding=1)

    def decode(self, features, points, prev_mask=None, cache=None):
        outputs = super().decode(features, points, prev_mask)
        return outputs | {"feature": outputs["instances"]}

    def refine(self, image, points, features, logits, boxes):
        assert boxes[:, 0].tolist() == list(range(len(image))) and features.requires_grad == logits.requires_grad
        size = image.shape[2:]
        crops = [
            F.interpolate(one[None, :, int(y1) : int(y2), int(x1) : int(x2)], size=size, mode="bilinear")
            for one, (_, x1, y1, x2, y2) in zip(logits, boxes, strict=True)
        ]
        coarse = torch.cat(crops)
        detail, trimap = self.details(torch.cat((image, self.maps(points, size), coarse), dim=1)).split(1, dim=1)
        refined = detail * trimap.sigmoid() + coarse * (1 - trimap.sigmoid())
        return {"instances_refined": refined, "trimap": trimap, "instances_coarse": coarse}


RUN = {"network": TinyFocal, "steps": STEPS, "task": FocalClicks(TERMS, max_num_next_clicks=0)}
