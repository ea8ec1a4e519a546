"""Layer-wise learning-rate decay of plain vision transformers (Clark et al. 2020, "ELECTRA"), as SimpleClick has it."""

from __future__ import annotations

from isegm.model.click_model import ClickModel

RATE = 0.75  # of a layer over that of the next one
WEIGHT_DECAY = 0.02
UNDECAYED = ("pos_embed", "cls_token", "dist_token")


def layer_decay(network: ClickModel, skips_clicks: bool = False) -> tuple[dict[str, float], dict[str, float]]:
    """Return learning-rate multipliers and weight decays by parameter name.

    A layer of the transformer learns at 0.75 times the learning rate of the next, and its vectors and embeddings do not
    decay. Everything behind the transformer learns at the full learning rate and decays, biases and norms too, as
    published.

    Args:
        network: one with ``layer_numbers``.
        skips_clicks: the embedding of clicks is not trained (docs/fidelity.md#layer-wise-decay).
    """
    numbers = network.layer_numbers()
    last = max(numbers.values())
    rates, decays = {}, {}
    for name, parameter in network.named_parameters():
        rates[name] = RATE ** (last - numbers.get(name, last))
        decays[name] = WEIGHT_DECAY
        if name in numbers and (parameter.ndim == 1 or name.endswith(UNDECAYED)):
            decays[name] = 0.0
        if skips_clicks and name.startswith("patch_embed_coords."):
            rates[name] = 0.0
    return rates, decays
