"""Backbones that start from ImageNet weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from isegm.utils.errors import InputError


def read_weights(path: str | Path) -> Mapping[str, Tensor]:
    """Read a flat state dict (or one under "state_dict" or "model") without unpickling anything but tensors.

    Raises:
        InputError: no such file, or it holds no tensors by name.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"the pretrained weights {path} are not there: set their path in config.yml.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many types for damaged files
        raise InputError(
            f"{path} cannot be read as PyTorch weights ({type(error).__name__}): download it again."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} holds no weights by name: it must be a state dict.")
    return content


def load_backbone(
    module: nn.Module, path: str | Path, rename: Callable[[str], str | None], optional: str | tuple[str, ...] = ()
) -> None:
    """Load a backbone's parameters, all of them, from a classification network's file.

    Args:
        module: the backbone.
        path: file of the classification network's state dict.
        rename: its key as a key of ``module``; None for what the backbone does not have.
        optional: how keys of ``module`` begin that the file may lack; their values stay as they are.

    Raises:
        InputError: a parameter is missing, has another shape, or has no place (the first ones are named).
    """
    wanted = module.state_dict()
    renamed = {rename(key): value for key, value in read_weights(path).items()}
    wrong = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked")
        and not (key not in renamed and key.startswith(optional))
        and (key not in renamed or renamed[key].shape != value.shape)
    ]
    if wrong:
        raise InputError(
            f"{path} does not fit {type(module).__name__}: {len(wrong)} of {len(wanted)} entries are missing or "
            f"of another shape, first {', '.join(wrong[:3])}: give the weights of that network."
        )
    foreign = sorted(key for key in renamed if key is not None and key not in wanted)
    if foreign:
        raise InputError(
            f"{path} does not fit {type(module).__name__}: it has {len(foreign)} entries too many, "
            f"first {', '.join(foreign[:3])}: give the weights of that network."
        )
    module.load_state_dict({key: renamed.get(key, value) for key, value in wanted.items()})


def has_folded_batchnorm(module: nn.Module) -> bool:
    """Whether no BatchNorm layer scales anything, as where they were folded into the convolutions.

    Some converters set the variance to 1 - eps, so that its root is exact, and leave the mean of the first layer.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return bool(norms) and all(
        bool((m.weight == 1).all()) and bool(((m.running_var - 1).abs() < 1e-4).all()) for m in norms
    )


@torch.no_grad()
def unfold_batchnorm(network: nn.Module, backbone: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Give folded BatchNorm layers back their statistics, measured on images; the network's function stays the same.

    A folded layer computes x + b. With the mean m and the deviation s of x over ``batches`` it becomes the BatchNorm
    with these statistics, weight s and bias b + m; the convolution before it is scaled by 1/s, so that each channel has
    unit variance. Training with BatchNorm in training mode can then start from where the weights were.

    Args:
        network: called with each element of ``batches``; runs in eval mode meanwhile.
        backbone: the part of it whose BatchNorm layers are folded.
        batches: tuples of arguments of ``network``, on its device.
    """
    norms = {name: m for name, m in backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
    totals = {name: torch.zeros(3, m.num_features, dtype=torch.float64) for name, m in norms.items()}

    def measure(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].detach().double()
            count = torch.full((x.shape[1],), x.numel() / x.shape[1])
            totals[name] += torch.stack((count, x.sum((0, 2, 3)).cpu(), (x * x).sum((0, 2, 3)).cpu()))

        return hook

    hooks = [m.register_forward_pre_hook(measure(name)) for name, m in norms.items()]
    training = network.training
    network.eval()
    try:
        for arguments in batches:
            network(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(training)

    convolution_of = _convolution_before(backbone)
    for name, norm in norms.items():
        count, first, second = totals[name].to(norm.weight)
        mean = first / count
        std = (second / count - mean**2).clamp_min(1e-6).sqrt()
        bias = norm.bias - norm.running_mean / (norm.running_var + norm.eps).sqrt() * norm.weight
        convolution_of[name].weight.div_(std[:, None, None, None])
        norm.running_mean.copy_(mean / std)
        norm.running_var.fill_(1.0)
        norm.weight.copy_(std * (1 + norm.eps) ** 0.5)
        norm.bias.copy_(bias + mean)


def _convolution_before(backbone: nn.Module) -> dict[str, nn.Conv2d]:
    """For each BatchNorm layer the convolution registered just before it, whose output it normalises."""
    pairs: dict[str, nn.Conv2d] = {}
    last: nn.Conv2d | None = None
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            last = module
        elif isinstance(module, nn.BatchNorm2d) and last is not None:
            pairs[name] = last
    return pairs
