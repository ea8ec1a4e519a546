"""8-bit ONNX graphs by ONNX Runtime's static quantisation."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isegm.model.onnx_export import with_metadata
from isegm.model.onnx_network import onnx_library
from isegm.utils.errors import InputError

LAYERS = ("Conv",)  # in 8 bits where none of the rules below keeps them in float32
BETWEEN = ("Add", "Clip")  # the same, so that values stay in 8 bits from layer to layer


def quantized(content: bytes, inputs: Iterable[Mapping[str, np.ndarray]]) -> bytes:
    """Return a graph whose convolutions compute in 8 bits: unsigned values, signed weights with a scale per channel.

    Weights use 7 of the 8 bits, as AVX2 without VNNI adds pairs of products in 16 bits, which would overflow. In
    float32 stay the click maps, the branch that reads them apart from the image, and the last convolution.

    Args:
        content: a file of ``onnx_graph``, whose metadata are kept.
        inputs: of the graph by name, from which the ranges of values are found: the least and the greatest.

    Raises:
        InputError: onnx or ONNX Runtime is not installed; or there are no inputs, or no convolutions.
    """
    onnx, quantization = onnx_library("onnx"), onnx_library("onnxruntime.quantization")
    simplified = onnx_library("onnxruntime.quantization.shape_inference").quant_pre_process
    reader = _reader(quantization.CalibrationDataReader, inputs)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        simplified(onnx.load_from_string(content), str(source), skip_symbolic_shape=True)
        model = onnx.load(str(source))
        quantization.quantize_static(
            str(source),
            str(target),
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=[*LAYERS, *BETWEEN],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=sorted(kept_in_float(model.graph)),
        )
        model = onnx.load(str(target))
    return with_metadata(model, {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props})
