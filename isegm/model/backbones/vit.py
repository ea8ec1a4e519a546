"""Plain vision transformer with windowed and global attention, as MAE trains it and SimpleClick and SegNext read it.

He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners"; Li et al. 2022, "Exploring Plain Vision Transformer
Backbones for Object Detection", for the windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.pretrained import is_timm_source, load_backbone
from isegm.model.recomputation import Recomputable
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.schema import Items, Number, Whole

ARGUMENTS = {  # of networks on it, by the names in published files
    "img_size": Items(Whole(1, 1 << 14), 2, 2),
    "patch_size": Whole(1, 224),
    "embed_dim": Whole(1, 1 << 14),
    "depth": Whole(1, 256),
    "num_heads": Whole(1, 256),
    "mlp_ratio": Number(above=0, most=64),
}
EPS = 1e-6  # of the norms in the blocks
WINDOW = 224  # pixels: the side of MAE's images, and of a window where the input is a multiple of it
CLASSES = 1000  # of a classifier that published files hold and nothing reads
KEPT_GRIDS = 8  # sizes of the input whose positional embeddings are kept
MAE_LICENCE = "CC BY-NC 4.0: not for commercial use"
MAE_FILES = "mae_pretrain_vit_"  # how the names of MAE's published files begin
# Entries of MAE's files, of timm's copies of them and of fine-tuned ones that are not read.
UNREAD = ("norm.", "fc_norm.", "head.", "decoder_", "mask_token")
TIMM_NAMES = {  # MAE's weights in timm, by channels and patch
    (768, 16): "vit_base_patch16_224.mae",
    (1024, 16): "vit_large_patch16_224.mae",
    (1280, 14): "vit_huge_patch14_224.mae",
}


class PatchEmbedding(nn.Module):
    """One token for each square patch: a convolution whose stride is its size."""

    def __init__(self, inputs: int, outputs: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / patch, W / patch) of ``x`` (B, inputs, H, W)."""
        return self.proj(x)


class Norm(nn.LayerNorm):
    """Layer norm with MAE's epsilon."""

    def __init__(self, channels: int, **placement: Any) -> None:
        super().__init__(channels, eps=EPS, **placement)


class VisionTransformer(Recomputable):
    """Backbone from an image and embedded clicks to a map with one vector per patch.

    The blocks are timm's ``vision_transformer.Block``, whose parts carry the published keys: ``norm1`` and ``norm2``
    (LayerNorm), ``attn.qkv`` and ``attn.proj`` (``timm.layers.Attention``, which calls PyTorch's fused attention),
    ``mlp.fc1`` and ``mlp.fc2`` (``timm.layers.Mlp``). ``cls_token``, ``fc_norm`` and ``head`` are in published files,
    and nothing reads them here or there: they are not trained.

    Every block whose number, from 1, is a multiple of ``period`` attends to all tokens, the others to those of a window
    each. Tokens are put in the order of the windows once, in front of the first block, and back behind the last: a
    block with all tokens in one sequence is then a view, and the order of tokens changes nothing in it.

    Args:
        image_size: (height, width) in pixels for which ``pos_embed`` is stored.
        patch: side of a patch in pixels.
        channels: of the tokens.
        depth: number of blocks, a multiple of 4 without ``period``.
        heads: of the attention.
        mlp_ratio: hidden channels of the MLPs over ``channels``.
        windowed: whether there are windows; else every block attends to all tokens.
        period: see above; None for SimpleClick's, 6 of 12 blocks and else a quarter of them.
        classes: whether there are ``cls_token`` and ``head``, as in files of MAE and SimpleClick.

    Raises:
        InputError: the numbers do not fit each other.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        patch: int,
        channels: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4,
        windowed: bool = True,
        period: int | None = None,
        classes: bool = True,
    ) -> None:
        from timm.models.vision_transformer import Block  # timm takes seconds to import

        super().__init__()
        if (period is None and depth % 4) or channels % heads:
            raise InputError(
                f"a ViT of depth {depth} with {channels} channels and {heads} heads cannot be built: its depth must be "
                "a multiple of 4, and its channels one of its heads."
            )
        self.patch, self.channels, self.windowed, self.classes = patch, channels, windowed, classes
        if period is not None and not 1 <= period <= depth:
            raise InputError(f"of {depth} blocks of a ViT every {period}th cannot be global: give 1 to {depth}.")
        self.period = period or (6 if depth == 12 else depth // 4)
        self.stored_grid = self.grid_of(image_size)
        if classes:
            self.cls_token = nn.Parameter(torch.empty(1, 1, channels), requires_grad=False)
            nn.init.normal_(self.cls_token, std=0.02)
        self.pos_embed = nn.Parameter(torch.empty(1, math.prod(self.stored_grid) + 1, channels))
        self.patch_embed = PatchEmbedding(3, channels, patch)
        self.blocks = nn.ModuleList(
            Block(channels, heads, mlp_ratio=mlp_ratio, qkv_bias=True, norm_layer=Norm) for _ in range(depth)
        )
        self.fc_norm = Norm(channels).requires_grad_(False)
        if classes:
            self.head = nn.Linear(channels, CLASSES).requires_grad_(False)
        self._positions: dict[tuple[int, int], tuple[Tensor, int, Tensor]] = {}
        self._initialise()

    def _initialise(self) -> None:
        """Initialise as MAE does: Xavier in patches and linear layers, normal in the embeddings."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.view(self.channels, -1))
        nn.init.normal_(self.pos_embed, std=0.02)

    def grid_of(self, size: Sequence[int]) -> tuple[int, int]:
        """Return (rows, columns) of patches of an input of ``size`` (H, W).

        Raises:
            InputError: a side is no multiple of the patch.
        """
        height, width = size
        if height % self.patch or width % self.patch or not height or not width:
            fitting = " x ".join(str(max(1, round(side / self.patch)) * self.patch) for side in (height, width))
            raise InputError(
                f"the ViT cannot read {height} x {width} pixels, as its patches have {self.patch} x {self.patch}: give "
                f"sides that are multiples of {self.patch}, such as {fitting}."
            )
        return height // self.patch, width // self.patch

    def windows_of(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Return how many windows (rows, columns) a grid of patches is divided into.

        That is as often as a window of 224 pixels fits; where so many do not divide the grid, the next lower number
        that does (docs/fidelity.md#vit-windows).
        """
        if not self.windowed:
            return 1, 1
        side = WINDOW // self.patch
        rows, columns = (next(n for n in range(max(1, count // side), 0, -1) if count % n == 0) for count in grid)
        return rows, columns

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Return the positional embedding of a grid of patches, (1, channels, rows, columns).

        It is always resized from the stored one, never twice, and kept until the stored one changes.
        """
        stored = self.pos_embed[:, 1:].transpose(1, 2).unflatten(2, self.stored_grid)  # (1, channels, rows, columns)
        if grid == self.stored_grid:
            return stored
        if (torch.is_grad_enabled() and self.pos_embed.requires_grad) or torch.compiler.is_compiling():
            return resized_positions(stored, grid)
        source = self.pos_embed.detach()  # keeps its memory, so that the address of another tensor differs
        version = -1 if source.is_inference() else source._version
        kept = self._positions.get(grid)
        if kept is None or version < 0 or kept[0].data_ptr() != source.data_ptr() or kept[1] != version:
            if len(self._positions) >= KEPT_GRIDS:
                self._positions.clear()
            kept = source, version, resized_positions(stored.detach(), grid)
            self._positions[grid] = kept
        return kept[2]

    def forward(self, image: Tensor, side: Tensor | None = None) -> Tensor:
        """Return features (B, channels, H / patch, W / patch).

        Args:
            image: float (B, 3, H, W), normalised.
            side: (B, channels, H / patch, W / patch), embedded clicks, added to the embedded image; None for none.

        Raises:
            InputError: a side of the image is no multiple of the patch.
        """
        batch, grid = image.shape[0], self.grid_of(image.shape[2:])
        x = self.patch_embed(image)  # (B, C, rows, columns)
        x = (x if side is None else x + side) + self.positions(grid)
        windows = self.windows_of(grid)
        count = windows[0] * windows[1]
        tokens = to_windows(x, windows)  # (B * count, N / count, C)
        for number, block in enumerate(self.blocks, start=1):
            sequences = batch if number % self.period == 0 else batch * count
            tokens = self.run(block, tokens.view(sequences, -1, self.channels))
        return from_windows(tokens.view(batch * count, -1, self.channels), grid, windows)

    def layer_of(self, name: str) -> int:
        """Return the layer of a parameter: 0 for embeddings, from 1 for the blocks, and one for what lies behind."""
        part, *rest = name.split(".")
        if part in ("cls_token", "pos_embed", "patch_embed"):
            return 0
        return int(rest[0]) + 1 if part == "blocks" else len(self.blocks) + 1

    def fitting_positions(self, stored: Tensor) -> Tensor:
        """Return a file's positional embedding for the stored grid: a square one is resized, others are returned as
        they are.

        Args:
            stored: (1, 1 + rows * columns, channels), the first of them for the class.
        """
        patches = stored.shape[1] - 1 if stored.ndim == 3 else 0
        side = math.isqrt(max(0, patches))
        if stored.shape == self.pos_embed.shape or not side or side * side != patches:
            return stored
        square = stored[:, 1:].float().transpose(1, 2).unflatten(2, (side, side))  # (1, channels, side, side)
        resized = resized_positions(square, self.stored_grid).flatten(2).transpose(1, 2)
        return torch.cat((stored[:, :1].float(), resized), dim=1)

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load MAE's weights; the positional embedding is resized once, to the stored grid.

        Args:
            source: ``mae_pretrain_vit_*.pth``, or timm's weights by name (see ``isegm.model.pretrained``); the licence
                is logged.

        Raises:
            InputError: the weights cannot be read, or are not of a ViT of this size.
        """
        if not is_timm_source(source) and Path(source).name.startswith(MAE_FILES):
            logger.info("MAE weights %s, licence: %s", source, MAE_LICENCE)

        load_backbone(
            self,
            source,
            lambda key: None if key.startswith(UNREAD) or (key == "cls_token" and not self.classes) else key,
            optional=("fc_norm.", "head."),
            timm_name=TIMM_NAMES.get((self.channels, self.patch)),
            convert=lambda key, value: self.fitting_positions(value) if key == "pos_embed" else value,
        )


def at_size_of(backbone: VisionTransformer, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the weights of a network around ``backbone`` with the positional embedding resized to its input.

    Args:
        backbone: the transformer, which the network calls ``backbone``.
        state: of the same network, whose input may have another size.
    """
    key = "backbone.pos_embed"
    if not isinstance(state.get(key), Tensor):
        return state
    positions = backbone.fitting_positions(state[key])
    if positions is not state[key]:
        before, now = state[key].shape[1] - 1, positions.shape[1] - 1
        logger.info("the positional embedding is resized from %d patches to %d", before, now)
    return {**state, key: positions}


def layers_beside(network: nn.Module, backbone: VisionTransformer, prompts: str) -> dict[str, int]:
    """Return layer numbers by parameter name of a network for layer-wise decay; see ``ClickModel.layer_numbers``.

    Args:
        network: whose ``backbone`` it is.
        backbone: the transformer.
        prompts: name of what embeds clicks, which is in the first layer with the embedding of the image.
    """
    numbers = {f"backbone.{name}": backbone.layer_of(name) for name, _ in backbone.named_parameters()}
    return numbers | {name: 0 for name, _ in network.named_parameters() if name.startswith(f"{prompts}.")}


def resized_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resize a positional embedding (1, C, rows, columns) to another grid, bicubic without aligned corners."""
    return F.interpolate(positions, size=grid, mode="bicubic", align_corners=False)


def to_windows(x: Tensor, windows: tuple[int, int]) -> Tensor:
    """Cut a map (B, C, H, W) into windows, row by row: (B * rows * columns, tokens of a window, C)."""
    rows, columns = windows
    x = x.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))  # (B, C, rows, h, columns, w)
    return x.permute(0, 2, 4, 3, 5, 1).flatten(0, 2).flatten(1, 2)  # (B * rows * columns, h * w, C)


def from_windows(tokens: Tensor, grid: tuple[int, int], windows: tuple[int, int]) -> Tensor:
    """Put windows together to a map (B, C, H, W) of ``grid`` (H, W): the inverse of ``to_windows``."""
    rows, columns = windows
    x = tokens.unflatten(1, (grid[0] // rows, -1)).unflatten(0, (-1, rows, columns))  # (B, rows, columns, h, w, C)
    return x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
