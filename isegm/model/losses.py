"""Losses of click networks: labels are 1 (object), 0 (background), -1 (ignored); they return one value per sample."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.utils import distributed

PIXELS = (-2, -1)


class FocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017, eq. 5), averaged over the pixels that are not ignored.

    Args:
        alpha: weight of object pixels; background pixels get 1 - alpha.
        gamma: exponent of the error.
        from_sigmoid: predictions are probabilities instead of logits.
        size_average: average over the pixels; False sums them.
    """

    eps = 1e-9

    def __init__(
        self, alpha: float = 0.25, gamma: float = 2.0, from_sigmoid: bool = False, size_average: bool = True
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma
        self.from_sigmoid = from_sigmoid
        self.size_average = size_average

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """Loss of logits (B, 1, H, W) against labels (B, 1, H, W): (B,)."""
        loss, valid = self.per_pixel(pred, label)
        total = loss.sum(PIXELS)
        return (total / (valid.sum(PIXELS) + self.eps) if self.size_average else total).flatten(1).mean(1)

    def per_pixel(self, pred: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each pixel, 0 where it is ignored, and a mask of those that count: both (B, 1, H, W)."""
        valid = (label != -1).to(pred)
        prob = pred if self.from_sigmoid else pred.sigmoid()
        alpha = torch.where(label > 0.5, self.alpha, 1 - self.alpha) * valid
        right = torch.where(label != -1, 1 - (label - prob).abs(), 1.0)  # probability of the true label
        weight = self.modulate((1 - right) ** self.gamma, valid)
        return -alpha * weight * (right + self.eps).clamp_max(1.0).log() * valid, valid

    def modulate(self, weight: Tensor, valid: Tensor) -> Tensor:
        """Return the weight of each pixel's log-likelihood."""
        return weight


class NormalizedFocalLoss(FocalLoss):
    """Normalised focal loss (Sofiiuk et al. 2019, "AdaptIS", eq. 3), per sample.

    The normaliser, number of pixels over the sum of weights, is treated as a constant: no gradient flows through it,
    unless ``detach_normalizer`` is False. ``k_sum`` and ``m_max`` are running values of the normaliser and of the
    largest weight, for logs.

    Args:
        max_mult: cap of the normalised weights; -1 for none.
    """

    eps = 1e-12

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        max_mult: float = -1,
        detach_normalizer: bool = True,
        from_sigmoid: bool = False,
        size_average: bool = True,
    ) -> None:
        super().__init__(alpha, gamma, from_sigmoid, size_average)
        self.max_mult = max_mult
        self.detach_normalizer = detach_normalizer
        self.k_sum = torch.zeros(())
        self.m_max = torch.zeros(())

    def modulate(self, weight: Tensor, valid: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach_normalizer):
            mult = valid.sum(PIXELS, keepdim=True) / (weight.sum(PIXELS, keepdim=True) + self.eps)  # (B, 1, 1, 1)
        weight = weight * mult
        if self.max_mult > 0:
            weight = weight.clamp_max(self.max_mult)
        self._follow(mult.detach(), weight.detach(), valid)
        return weight

    def _follow(self, mult: Tensor, weight: Tensor, valid: Tensor) -> None:
        """Move the running values towards those of a batch that has a sample without ignored pixels.

        As published, the normaliser is that of such samples, the largest weight that of all. It stays on the device.
        """
        whole = (valid > 0.5).flatten(1).all(1).float()  # (B,)
        count = whole.sum().clamp_min(1)
        seen = whole.any()
        normaliser = (mult.flatten(1).mean(1) * whole).sum() / count
        for name, rate, value in (("k_sum", 0.1, normaliser), ("m_max", 0.2, weight.flatten(1).amax(1).mean())):
            running = getattr(self, name).to(mult)
            moved = (1 - rate) * running + rate * value
            setattr(self, name, torch.where(seen, moved, running))

    def log_state(self) -> dict[str, float]:
        """Return the running values by the letters that logs show."""
        return {"k": float(self.k_sum), "m": float(self.m_max)}


class WeightedNormalizedFocalLoss(NormalizedFocalLoss):
    """Normalised focal loss in which some pixels count more (Chen et al. 2022, "FocalClick").

    Args:
        weight_share: share of a pixel's weight that comes from the weight map, 0 to 1; the rest is the same for all.
        kwargs: see ``NormalizedFocalLoss``.
    """

    def __init__(self, weight_share: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight_share = weight_share

    def forward(self, pred: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Loss of logits (B, 1, H, W) against labels (B, 1, H, W): (B,).

        Args:
            weight: (B, 1, H, W) weight map in [0, 1]; None for the plain normalised focal loss. With it, the mean of
                the result is the weighted mean over all pixels of the batch.
        """
        if weight is None:
            return super().forward(pred, label)
        loss, _ = self.per_pixel(pred, label)
        return _weighted_mean(loss, self.weight_share * weight + (1 - self.weight_share))


def _weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Split the batch's weighted mean into terms per sample, (B,), whose mean is sum(loss * weight) / sum(weight).

    In training the sums run over the batches of all processes, which are of equal size; without gradients, over that of
    this process, as validation's may differ. Batches whose gradients are accumulated count each by itself.

    The weights of ignored pixels, whose loss is 0, count in the denominator (docs/fidelity.md#ignored-pixels).
    """
    total = weight.sum()
    if torch.is_grad_enabled():
        total = distributed.all_reduce(total.detach().clone()) / distributed.world_size()
    return len(loss) * (loss * weight).flatten(1).sum(1) / (total + 1e-12)


class SoftIoU(nn.Module):
    """One minus the intersection over the union of probabilities and labels."""

    def __init__(self, from_sigmoid: bool = False) -> None:
        super().__init__()
        self.from_sigmoid = from_sigmoid

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """Loss of logits (B, 1, H, W) against labels (B, 1, H, W): (B,)."""
        valid = (label != -1).to(pred)
        prob = pred if self.from_sigmoid else pred.sigmoid()
        inter = (prob * label * valid).flatten(1).sum(1)
        union = (torch.maximum(prob, label) * valid).flatten(1).sum(1)
        return 1 - inter / (union + 1e-8)


class SigmoidBinaryCrossEntropyLoss(nn.Module):
    """Binary cross-entropy of logits, averaged over all pixels.

    Ignored pixels count with loss 0 (docs/fidelity.md#ignored-pixels).
    """

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """Loss of logits (B, 1, H, W) against labels (B, 1, H, W): (B,)."""
        return _cross_entropy(pred, label).flatten(1).mean(1)


def _cross_entropy(pred: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of each pixel's logit, 0 where it is ignored; exact for large logits, too."""
    loss = pred.relu() - pred * label.clamp_min(0) + F.softplus(-pred.abs())
    return loss * (label != -1).to(pred)


class ClickLoss(nn.Module):
    """Binary cross-entropy that counts the pixels of the clicks' disks a hundred times as much as the others.

    The click loss of CDNet (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation").
    """

    elsewhere = 0.01  # weight of a pixel outside all disks; inside it is 1

    def forward(self, pred: Tensor, label: Tensor, clicks: Tensor) -> Tensor:
        """Loss of logits (B, K, H, W) against labels (B, 1, H, W), added up over the K predictions: (B,).

        Args:
            clicks: (B, 2, H, W) disks of the positive and the negative clicks, 0 or 1 (``outputs["click_map"]``).
        """
        weight = clicks.amax(1, keepdim=True) * (1 - self.elsewhere) + self.elsewhere  # (B, 1, H, W)
        return _weighted_mean(_cross_entropy(pred, label).sum(1, keepdim=True), weight)


class DiversityLoss(nn.Module):
    """CDNet's loss of latent predictions (Chen et al. 2021): the best one fits the object, all of them the clicks.

    The normalised focal loss (alpha 0.5, gamma 2) of a sample is that of its best prediction, so that the others may
    differ; ``ClickLoss`` counts for all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)
        self.click = ClickLoss()

    def forward(self, pred: Tensor, label: Tensor, clicks: Tensor) -> Tensor:
        """Loss of logits (B, K, H, W) of K predictions against labels (B, 1, H, W): (B,).

        Args:
            clicks: see ``ClickLoss``.
        """
        best = torch.stack([self.focal(prediction, label) for prediction in pred.split(1, dim=1)]).amin(0)  # (B,)
        return best + self.click(pred, label, clicks)


class Sum(nn.Module):
    """Several losses added up."""

    def __init__(self, *terms: nn.Module) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """Loss of logits (B, 1, H, W) against labels (B, 1, H, W): (B,)."""
        return sum(term(pred, label) for term in self.terms)
