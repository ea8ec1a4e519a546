"""Networks, losses and checkpoints. Importing the package registers every network."""

from isegm.model import baseline, cdnet, emcclick, focalclick, ritm, segnext, simpleclick, timm_lraspp  # noqa: F401
from isegm.model.click_model import ClickModel
from isegm.model.registry import build_model, list_models, register_model

__all__ = ["ClickModel", "build_model", "list_models", "register_model"]
