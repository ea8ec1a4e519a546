"""Click-based interactive segmentation: networks, training, evaluation, and a predictor for your own images.

>>> from isegm import Predictor, load_model
>>> predictor = Predictor(load_model("weights/mobilenetv2_default.pth"))
>>> predictor.set_image(image)  # (H, W, 3) uint8 RGB
>>> mask, probs = predictor.predict(points=[(210, 140)], labels=[1])
"""

from isegm.clicks import Click
from isegm.inference.predictor import Predictor
from isegm.model import build_model, list_models
from isegm.model.checkpoint import load_model
from isegm.utils.errors import InputError

__version__ = "0.1.0"
__all__ = ["Click", "InputError", "Predictor", "build_model", "list_models", "load_model"]
