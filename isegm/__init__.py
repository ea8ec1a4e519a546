"""Click-based interactive segmentation: networks, training, evaluation, and a predictor for your own images.

>>> from isegm import Predictor, load_model
>>> predictor = Predictor(load_model())
>>> predictor.set_image(image)  # (H, W, 3) uint8 RGB
>>> mask, probs = predictor.predict(points=[(210, 140)], labels=[1])
"""

from importlib import import_module
from typing import TYPE_CHECKING

from isegm.utils.threads import bound_spinning

if TYPE_CHECKING:
    from isegm.clicks import Click
    from isegm.inference.predictor import Predictor
    from isegm.model import build_model, list_models
    from isegm.model.checkpoint import load_model
    from isegm.utils.errors import InputError
    from isegm.utils.lookup import DEFAULT_CHECKPOINT

bound_spinning()  # before PyTorch is loaded, which then keeps what it finds

__version__ = "0.1.0"
__all__ = [
    "DEFAULT_CHECKPOINT",
    "Click",
    "InputError",
    "Predictor",
    "build_model",
    "list_models",
    "load_model",
]

_MODULES = {
    "Click": "isegm.clicks",
    "DEFAULT_CHECKPOINT": "isegm.utils.lookup",
    "InputError": "isegm.utils.errors",
    "Predictor": "isegm.inference.predictor",
    "build_model": "isegm.model",
    "list_models": "isegm.model",
    "load_model": "isegm.model.checkpoint",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``isegm --help`` does not wait for PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
