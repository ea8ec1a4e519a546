"""Networks that need no weights, for tests of what surrounds a network."""

import torch
import torch.nn.functional as functional
from torch import Tensor

from isegm.click_maps import DistMaps
from isegm.clicks import first_clicks, split_points, used
from isegm.model.click_model import ClickModel, EarlyFusionModel


class AnalyticModel(ClickModel):
    """A formula of the image (not normalised), the previous mask and the clicks, which counts its calls."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def encode(self, image):
        return {"image": image}

    def decode(self, features, points, prev_mask=None, cache=None):
        self.calls += 1
        prev_mask = prev_mask if self.with_prev_mask else torch.full_like(features["image"][:, :1], 0.5)
        return {"instances": self.logits(features["image"], prev_mask, points)}


class BlobModel(AnalyticModel):
    """The function f of golden/README section 5: bumps at clicks, modulated by brightness."""

    def logits(self, image: Tensor, prev_mask: Tensor, points: Tensor) -> Tensor:
        height, width = image.shape[2:]
        rows = torch.arange(height, dtype=torch.float32, device=points.device)[:, None]
        columns = torch.arange(width, dtype=torch.float32, device=points.device)[None, :]

        def squared_distance(clicks: Tensor) -> Tensor:
            y, x = clicks[..., 0, None, None], clicks[..., 1, None, None]
            squared = (rows - y) ** 2 + (columns - x) ** 2  # (B, N, H, W)
            squared = torch.where(used(clicks)[..., None, None], squared, 1e10)
            return squared.amin(dim=1, keepdim=True) / max(height, width) ** 2

        positive, negative = (squared_distance(half) for half in split_points(points))
        red, green, blue = image.split(1, dim=1)
        gray = 0.299 * red + 0.587 * green + 0.114 * blue
        return (
            -2.5
            + 8 * torch.exp(-positive / 0.22**2)
            - 7 * torch.exp(-negative / 0.12**2)
            + 1.5 * (prev_mask - 0.5)
            + 3 * (gray - 0.5)
        )


class BrightModel(AnalyticModel):
    """Whatever is bright and seen is object."""

    def logits(self, image: Tensor, prev_mask: Tensor, points: Tensor) -> Tensor:
        return 40 * (image[:, :1] - 0.5)


class FocalBlobModel(BlobModel):
    """The same function as FocalClick's coarse network, and as its refiner with the crop of the coarse answer."""

    has_refiner = True

    def decode(self, features, points, prev_mask=None, cache=None):
        outputs = super().decode(features, points, prev_mask)
        return {**outputs, "feature": outputs["instances"]}

    def refine(self, image, points, features, logits, boxes):
        height, width = image.shape[2:]
        left, top, right, bottom = boxes[:, 1:].T[..., None]
        columns = left + (torch.arange(width, device=boxes.device) + 0.5) * (right - left) / width - 0.5  # (N, w)
        rows = top + (torch.arange(height, device=boxes.device) + 0.5) * (bottom - top) / height - 0.5  # (N, h)
        across = (2 * columns + 1) / logits.shape[3] - 1
        down = (2 * rows + 1) / logits.shape[2] - 1
        grid = torch.stack((across[:, None].expand(-1, height, -1), down[..., None].expand(-1, -1, width)), dim=-1)
        coarse = functional.grid_sample(
            logits[boxes[:, 0].long()], grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        inside = torch.sigmoid(coarse)
        unsure = 1 - (1 - 2 * inside).abs()
        refined = unsure * self.logits(image, inside, points) + (1 - unsure) * coarse
        return {"instances_refined": refined, "trimap": unsure, "instances_coarse": coarse}


class EMCBlobModel(BlobModel):
    """The same function as EMC-Click: of the first click alone at first, then correcting its own earlier answer."""

    protocol = "emcclick"
    corrects_masks = True

    def __init__(self):
        super().__init__(with_prev_mask=False)
        self.first_passes = 0

    def decode(self, features, points, prev_mask=None, cache=None):
        self.calls += 1
        image = features["image"]
        if cache is None:
            self.first_passes += 1
            unseen = torch.full_like(image[:, :1], 0.5)
            cache = {"logits": self.logits(image, unseen, first_clicks(points))}
        base = cache["logits"]
        corrected = self.logits(image, base.sigmoid(), points)
        return {"instances": corrected, "cache": {"logits": 0.25 * base + 0.75 * corrected}}


class CDNetBlobModel(BlobModel):
    """The same function as CDNet, which reads no previous mask; its diffusion changes nothing."""

    has_diffusion = True

    def __init__(self):
        super().__init__(with_prev_mask=False)

    def diffuse(self, image, logits, points):
        return logits


class RadialModel(AnalyticModel):
    """The network of Appendix A.6 of the RITM specification; ``slant`` breaks its mirror symmetry."""

    def __init__(self, slant: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.slant = slant
        self.dist_maps = DistMaps(60, use_disks=False)

    def logits(self, image: Tensor, prev_mask: Tensor, points: Tensor) -> Tensor:
        maps = self.dist_maps(points, image.shape[2:])
        pull = (1 - maps[:, :1]) - (1 - maps[:, 1:])
        slope = self.slant * torch.linspace(0, 1, image.shape[3])
        return 8 * (image[:, :1] - 0.5) + 4 * pull + 1.5 * (prev_mask - 0.5) + slope


class TinyModel(EarlyFusionModel):
    """Two convolutions with fixed random weights: unlike a formula, not smooth, and not symmetric under flipping.

    ``with_cache`` makes it also add the mean of all its earlier logits, which it hands on as ``cache``.
    """

    def __init__(self, with_cache: bool = False, **kwargs):
        super().__init__(**kwargs)
        generator = torch.Generator().manual_seed(0)
        self.with_cache = with_cache
        self.first = torch.nn.Conv2d(3 + self.coord_channels, 8, 5, padding=2)
        self.last = torch.nn.Conv2d(8, 1, 5, padding=2)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
        self.encoded = 0

    def encode(self, image):
        self.encoded += len(image)
        return super().encode(image)

    def backbone_forward(self, image, coord_features):
        x = torch.relu(self.first(torch.cat((image, coord_features), dim=1)))
        return {"instances": self.last(x)}

    def decode(self, features, points, prev_mask=None, cache=None, **strokes):
        outputs = super().decode(features, points, prev_mask, **strokes)
        if self.with_cache:
            total = outputs["instances"] if cache is None else cache["total"] + outputs["instances"]
            outputs["cache"] = {"total": total, "passes": (1 if cache is None else cache["passes"] + 1)}
            outputs["instances"] = total / outputs["cache"]["passes"]
        return outputs


class EncodeOnceModel(TinyModel):
    """The same network, telling the predictor to keep its features."""

    encodes_once = True
