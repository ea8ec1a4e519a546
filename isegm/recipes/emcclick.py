"""Networks, samples and losses of EMC-Click's experiments (Du et al. 2023)."""

from __future__ import annotations

from dataclasses import replace

from isegm.data.points_sampler import FirstPointSampler
from isegm.engine.tasks import LossTerm
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.recipes import data_config
from isegm.recipes.training import Recipe

SAMPLER = FirstPointSampler(max_num_points=24, merge_objects_prob=0.15, max_num_merged_objects=2)
# In crops of 320 x 480 pixels, whose targets are objects of 1000 pixels or more that do not fill them.
DATA = replace(
    data_config.COCO_LVIS,
    train=replace(data_config.COCO_LVIS.train, stuff=0.2, keep_background=0.0),
    whole_targets=True,
)


def losses(*, aux: float | None) -> dict[str, LossTerm]:
    """Losses of EMC-Click: the normalised focal loss on the first pass and on the corrected mask.

    Args:
        aux: weight of cross-entropy on the auxiliary output of the first pass; None for none (SegFormer).
    """
    terms = {"instance_loss": LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2), output="instances_coarse")}
    if aux is not None:
        terms["instance_aux_loss"] = LossTerm(SigmoidBinaryCrossEntropyLoss(), aux, "instances_aux")
    # published under the name of a weighted loss, which without weights is this one (docs/fidelity.md#emc-losses)
    terms["instance_refine_loss"] = LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2))
    return terms


def recipe(*, lr: float, aux: float | None) -> Recipe:
    """What the published experiments share: 230 epochs of COCO+LVIS, and up to 23 simulated clicks, few most often.

    Args:
        lr: base learning rate.
        aux: see ``losses``.
    """
    return Recipe(
        data=DATA,
        crop=(320, 480),
        sampler=SAMPLER,
        clicks=23,
        clicks_ratio=0.8,
        losses=losses(aux=aux),
        batch_size=32,
        lr=lr,
        epochs=230,
        milestones=(200, 220),
        checkpoint_every=((0, 5), (200, 1)),
        sync_bn=True,
    )
