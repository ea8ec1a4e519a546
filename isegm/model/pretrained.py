"""ImageNet weights that backbones start from: files, or timm's by name.

A source is the path of a file, "timm" for timm's weights of the same network, or "timm:<name>" for those of a name that
``timm.list_pretrained()`` knows, such as "timm:hrnet_w18_ssld". timm downloads them once into the cache of
huggingface_hub (HF_HOME).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isegm.model.filling import usable
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.spelling import nearest
from isegm.utils.tensor_files import read_tensor_file
from isegm.utils.text_values import as_path

TIMM = "timm"


def is_timm_source(source: str | Path) -> bool:
    """Tell whether a source of weights is a name in timm rather than a file."""
    return str(source) == TIMM or str(source).startswith(f"{TIMM}:")


def read_weights(source: str | Path, timm_name: str | None = None) -> Mapping[str, Tensor]:
    """Read the weights of a classification network.

    Args:
        source: see the first lines of this module.
        timm_name: what "timm" stands for; None where timm has no such network.

    Raises:
        InputError: see ``read_file`` and ``timm_network``; or timm has no such network.
    """
    if not is_timm_source(source):
        return read_file(source)
    name = str(source).partition(":")[2] or timm_name
    if name is None:
        raise InputError("timm has no ImageNet weights of this backbone: set the path of a file in config.yml.")
    return timm_network(name).state_dict()


def read_file(path: str | Path) -> Mapping[str, Tensor]:
    """Read a flat state dict, or one under "state_dict" or "model"; nothing but tensors is unpickled.

    Raises:
        InputError: no such file, or it holds no tensors by name.
    """
    path = as_path(path, "the path of weights")
    if not path.is_file():
        raise InputError(f"the pretrained weights {path} are not there: set their path in config.yml.")
    content = read_tensor_file(path, "download it again")
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise InputError(f"{path} holds no weights by name: it must be a state dict.")
    return content


def timm_network(name: str, **options: Any) -> nn.Module:
    """Build a timm network with its weights, from timm's cache or downloaded, and log their licence.

    Args:
        name: of the network, with or without the tag of its weights ("hrnet_w18", "hrnet_w18.ms_in1k").
        options: further arguments of ``timm.create_model``.

    Raises:
        InputError: timm knows no such network (the nearest is suggested) or no weights of it, or these cannot be
            fetched.
    """
    import timm  # takes seconds to import, and most networks do without it

    check_timm_name(name)
    given = "pretrained_cfg_overlay" in options  # the caller's own weights
    if not given and not timm.is_model_pretrained(name):
        tags = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        hint = f"take one of {', '.join(tags)}." if tags else "set the path of a file in config.yml."
        raise InputError(f"timm has no weights named {name}: {hint}")
    try:
        network = timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # huggingface_hub and torch.hub raise many types without a connection
        raise InputError(
            f"the ImageNet weights {name} of timm could not be fetched ({type(error).__name__}): check the connection, "
            "or set the path of a file in config.yml."
        ) from error
    if not given:
        licence = timm.get_pretrained_cfg_value(name, "license") or "not stated"
        logger.info("ImageNet weights %s of timm, licence: %s", name, licence)
    return network


def check_timm_name(name: str) -> None:
    """Check that timm has a network of a name, with or without a tag.

    Raises:
        InputError: it has none (the nearest name is suggested), or none of this tag.
    """
    import timm  # takes seconds to import, and most networks do without it

    bare = name.partition(".")[0]
    if not timm.is_model(bare):
        near = nearest(bare, timm.list_models())
        hint = f"did you mean {near}?" if near else "see timm.list_models()."
        raise InputError(f"timm has no network named {name}: {hint}")
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        hint = f"take one of {', '.join(timm.list_pretrained(f'{bare}.*'))}, or leave the tag out."
        raise InputError(f"timm has no weights named {name}: {hint}") from error


def load_backbone(
    module: nn.Module,
    source: str | Path,
    rename: Callable[[str], str | None],
    optional: str | tuple[str, ...] = (),
    timm_name: str | None = None,
    convert: Callable[[str, Tensor], Tensor] = lambda key, value: value,
) -> None:
    """Load all parameters of a backbone from a classification network's weights.

    Args:
        module: the backbone.
        source: see the first lines of this module.
        rename: returns the key in ``module`` of a key of the weights; None for what the backbone does not have.
        optional: how keys of ``module`` begin that the weights may lack; these entries keep their values.
        timm_name: see ``read_weights``.
        convert: returns what to load of a key of ``module`` and its value in the weights.

    Raises:
        InputError: a parameter is missing, has another shape, has no counterpart (the first ones are named), or is not
            finite or of a kind that no weight can be (see ``isegm.model.filling.usable``).
    """
    wanted = module.state_dict()
    named = ((rename(key), value) for key, value in read_weights(source, timm_name).items())
    renamed = {key: convert(key, value) for key, value in named if key is not None}
    wrong = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked")
        and not (key not in renamed and key.startswith(optional))
        and (key not in renamed or renamed[key].shape != value.shape)
    ]
    if wrong:
        raise InputError(
            f"{source} does not fit {type(module).__name__}: {len(wrong)} of {len(wanted)} entries are missing or "
            f"of another shape, first {', '.join(wrong[:3])}: give the weights of that network."
        )
    foreign = sorted(key for key in renamed if key not in wanted)
    if foreign:
        raise InputError(
            f"{source} does not fit {type(module).__name__}: it has {len(foreign)} entries too many, "
            f"first {', '.join(foreign[:3])}: give the weights of that network."
        )
    filled = {key: usable(key, renamed[key], value, source) for key, value in wanted.items() if key in renamed}
    module.load_state_dict({**wanted, **filled})


def has_folded_batchnorm(module: nn.Module) -> bool:
    """Tell whether no BatchNorm layer scales its input, as after folding them into the convolutions.

    Some converters set the variance to 1 - eps, so that its root is exact, and leave the mean of the first layer.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return bool(norms) and all(
        bool((m.weight == 1).all()) and bool(((_statistics(m)[1] - 1).abs() < 1e-4).all()) for m in norms
    )


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the running mean and variance of a BatchNorm layer, which all networks here track."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("BatchNorm without running statistics: make it with track_running_stats=True")
    return norm.running_mean, norm.running_var


@torch.no_grad()
def unfold_batchnorm(network: nn.Module, backbone: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Restore statistics of folded BatchNorm layers, measured on images, without changing the network's function.

    A folded layer computes x + b. With the mean m and the deviation s of x over ``batches`` it becomes the BatchNorm
    with these statistics, weight s and bias b + m; the convolution before it is scaled by 1/s, so that each channel has
    unit variance. Training with BatchNorm in training mode can then start from the same function.

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
        running_mean, running_var = _statistics(norm)
        bias = norm.bias - running_mean / (running_var + norm.eps).sqrt() * norm.weight
        convolution_of[name].weight.div_(std[:, None, None, None])
        running_mean.copy_(mean / std)
        running_var.fill_(1.0)
        norm.weight.copy_(std * (1 + norm.eps) ** 0.5)
        norm.bias.copy_(bias + mean)


def _convolution_before(backbone: nn.Module) -> dict[str, nn.Conv2d]:
    """Map each BatchNorm layer's name to the convolution registered just before it, whose output it normalises."""
    pairs: dict[str, nn.Conv2d] = {}
    last: nn.Conv2d | None = None
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            last = module
        elif isinstance(module, nn.BatchNorm2d) and last is not None:
            pairs[name] = last
    return pairs
