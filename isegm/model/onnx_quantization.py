"""8-bit ONNX graphs by ONNX Runtime's static quantisation."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from isegm.model.onnx_export import with_metadata
from isegm.model.onnx_network import onnx_library
from isegm.utils.errors import InputError

LAYERS = ("Conv",)  # in 8 bits, but for those that ``kept_in_float`` names
FIRST = 3  # convolutions of the image that stay in float32: in 8 bits they cost half of the accuracy
BETWEEN = ("Add", "Clip")  # the same, so that values stay in 8 bits from layer to layer


def quantized(content: bytes, inputs: Iterable[Mapping[str, np.ndarray]]) -> bytes:
    """Return a graph whose convolutions compute in 8 bits: unsigned values, signed weights with a scale per channel.

    Weights use 7 of the 8 bits, as AVX2 without VNNI adds pairs of products in 16 bits, which would overflow. In
    float32 stay the click maps, the branch that reads them apart from the image, and the first convolutions and the
    last one.

    Args:
        content: a file of ``onnx_graph``, whose metadata are kept.
        inputs: of the graph by name, from which the ranges of values are found: the least and the greatest value of
            each, averaged over the inputs.

    Raises:
        InputError: onnx or ONNX Runtime is not installed, or there are no inputs.
    """
    onnx, quantization = onnx_library("onnx"), onnx_library("onnxruntime.quantization")
    simplified = onnx_library("onnxruntime.quantization.shape_inference").quant_pre_process
    inputs = iter(inputs)
    first = next(inputs, None)
    if first is None:
        raise InputError("there is nothing to find the ranges of an 8-bit file with: give images with objects.")
    reader = _reader(quantization.CalibrationDataReader, chain([first], inputs))
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
            extra_options={"CalibMovingAverage": True},
            nodes_to_exclude=sorted(kept_in_float(model.graph)),
        )
        model = onnx.load(str(target))
    return with_metadata(model, {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props})


def kept_in_float(graph: Any) -> set[str]:
    """Names of a graph's nodes that stay in float32, see ``quantized``."""
    producer = {output: node for node in graph.node for output in node.output}
    sees_image = {"image"}
    behind_a_layer: set[str] = set()
    kept: set[str] = set()
    layers = 0  # that see the image
    for node in graph.node:  # in the order of computation
        is_layer = node.op_type in LAYERS
        if sees_image.isdisjoint(node.input) or node.op_type == "Shape":  # its size alone makes no features of it
            kept.add(node.name)
            continue
        sees_image.update(node.output)
        layers += is_layer
        if is_layer or not behind_a_layer.isdisjoint(node.input):
            behind_a_layer.update(node.output)
        if node.name and (layers <= FIRST or behind_a_layer.isdisjoint(node.output)):
            kept.add(node.name)
    last = producer[graph.output[0].name]
    while last.op_type not in LAYERS:
        kept.add(last.name)
        last = producer[last.input[0]]
    return kept | {last.name}


def _reader(base: Any, inputs: Iterable[Mapping[str, np.ndarray]]) -> Any:
    """Return inputs as ONNX Runtime asks for them, as an object of its class ``base``."""

    class Reader(base):  # which is only there where ONNX Runtime is installed
        def __init__(self) -> None:
            self.inputs: Iterator[Mapping[str, np.ndarray]] = iter(inputs)

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            return next(self.inputs, None)

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out advice on models in general that ONNX Runtime logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
