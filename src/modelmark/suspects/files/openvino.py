"""OpenVINO IR: layers in XML, their numbers in the ``.bin`` beside it; what layers do with them says which axis counts filters.

Source: https://docs.openvino.ai, operation sets; read as version 11 of the format is written. The runtime cannot be asked for the
numbers of one layer without loading all.
"""

import math
import re
import xml.etree.ElementTree as Xml
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import NAMES, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Extent, Shape, halves, remembering, require_within, spreads

_HEAD = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<net\b")
_MOST = 2**24  # bytes of XML, which takes some twenty times as many in memory
_CHAIN = 16
_HALVES = {"u4": False, "i4": True}
TYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64",
    "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8", "u16": "uint16", "u32": "uint32",
    "u64": "uint64", "boolean": "bool", "f8e4m3": "float8_e4m3fn", "f8e5m2": "float8_e5m2",
}  # fmt: skip
# layers with filters, and which axis counts those; of grouped ones the first counts groups
USES = {"Convolution": 0, "ConvolutionBackpropData": 1, "GroupConvolution": 0, "MatMul": 1}
_NAMES = ("{}", "{}_compressed", "self.{}", "self.{}_compressed")


@dataclass
class _Layer:
    """A layer: its name, what it does, its settings, the shape that it gives, and the layer at each of its inputs."""

    name: str
    kind: str
    data: dict[str, str]
    shape: Shape
    inputs: dict[int, str] = field(default_factory=dict)


def is_ir(head: bytes) -> bool:
    """Return whether the first bytes are those of a network in XML."""
    return bool(_HEAD.match(head))


def opened(path: Path) -> WeightFile:
    """Return the constants, those that layers use as filters in the order of the layers, mapped.

    Raises:
        MalformedError: damaged, or without the ``.bin`` beside it.
    """
    layers = _layers(path)
    beside = path.with_suffix(".bin")
    if not beside.is_file():
        raise MalformedError(
            f"expected {beside.name} beside {path.name}, found none", hint="the numbers of this model are in that file"
        )
    constants, unreadable = _constants(beside, layers)
    require_within(path, {layers[number].name: extent for number, extent in constants.items()})
    made: dict[str, tuple[Shape, Callable[[], Array]]] = {}
    rows = set()
    order = []
    for layer in layers.values():
        source = layer.inputs.get(1, "")
        number = _reached(layers, constants, source)
        if layer.kind not in USES or number is None or layers[number].name in made:
            continue
        shape = layers[source].shape
        turn = _turn(layer, shape)
        if turn is None:
            continue
        name = layers[number].name
        made[name] = turn[1], partial(_turned, partial(_computed, layers, constants, source), *turn)
        rows.add(name)
        order.append(number)
    for number in constants:
        made.setdefault(layers[number].name, (layers[number].shape, partial(_computed, layers, constants, number)))
    require_names(path, made)
    read = remembering(lambda name: made[name][1]())
    by_name = {layers[number].name: layers[number] for number in constants}
    return WeightFile(
        path, "OpenVINO IR", {name: shape for name, (shape, _) in made.items()}, read, lambda: read,
        unreadable=unreadable, types={name: layer.data["element_type"] for name, layer in by_name.items()},
        stored={name: layer.shape for name, layer in by_name.items() if layer.shape != made[name][0]},
        rows=frozenset(rows), in_order=True,
        called=lambda name: next((form for known in _NAMES if (form := known.format(name)) in made), ""),
    )  # fmt: skip


def _layers(path: Path) -> dict[str, _Layer]:
    """Return the layers by their numbers, in the order of the file."""
    size = path.stat().st_size
    if size > _MOST:
        raise MalformedError(f"expected an OpenVINO network of at most {_MOST} bytes in {path}, got {size}")
    raw = path.read_bytes()
    damaged = MalformedError(f"expected an OpenVINO network in {path}, got a damaged one")
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw or b"\0" in raw:
        raise damaged
    layers: dict[str, _Layer] = {}
    try:
        top = Xml.fromstring(raw)
        for found in top.iterfind("layers/layer"):
            data = found.find("data")
            settings = {} if data is None else dict(data.attrib)
            ports = found.findall("output/port")
            shape = tuple(int(dim.text or "") for dim in ports[0].iterfind("dim")) if ports else ()
            layers[found.attrib["id"]] = _Layer(found.attrib["name"], found.attrib["type"], settings, shape)
        for edge in top.iterfind("edges/edge"):
            layers[edge.attrib["to-layer"]].inputs[int(edge.attrib["to-port"])] = edge.attrib["from-layer"]
    except (Xml.ParseError, KeyError, ValueError, RecursionError):
        raise damaged from None
    if len(layers) > NAMES:
        raise MalformedError(f"expected at most {NAMES} layers in {path}, got {len(layers)}")
    return layers


def _constants(beside: Path, layers: dict[str, _Layer]) -> tuple[dict[str, Extent], dict[str, str]]:
    """Return where the numbers of each constant lie, by the layer's number, and what is not read."""
    found: dict[str, Extent] = {}
    unreadable: dict[str, str] = {}
    names = set()
    for number, layer in layers.items():
        if layer.kind != "Const":
            continue
        kind = layer.data.get("element_type", "")
        count = math.prod(layer.shape)
        if kind not in TYPES and kind not in _HALVES:
            unreadable[layer.name] = f"of type {kind[:20]}"
            continue
        try:
            offset = int(layer.data["offset"])
        except (KeyError, ValueError):
            raise MalformedError(f"expected where {layer.name} lies in {beside}, got something else"[:300]) from None
        if layer.name in names:
            raise MalformedError(f"expected every name once beside {beside}, got {layer.name!r} twice"[:300])
        names.add(layer.name)
        if kind in _HALVES:
            found[number] = Extent(beside, offset, DTYPES["uint8"], (-(-count // 2),) if count >= 0 else (-1,))
        else:
            found[number] = Extent(beside, offset, DTYPES[TYPES[kind]], layer.shape)
    return found, unreadable


def _reached(layers: dict[str, _Layer], constants: dict[str, Extent], number: str) -> str | None:
    """Return the constant from which a layer's first inputs lead here, None if something else does."""
    for _ in range(_CHAIN):
        if number in constants:
            return number
        layer = layers.get(number)
        if layer is None or layer.kind not in ("Convert", "Subtract", "Multiply", "Reshape"):
            return None
        number = layer.inputs.get(0, "")
    return None


def _computed(layers: dict[str, _Layer], constants: dict[str, Extent], number: str, depth: int = _CHAIN) -> Array:
    """Return what a layer gives, of constants alone."""
    layer = layers.get(number)
    if layer is None or not depth:
        raise MalformedError("expected weights of constants alone in an OpenVINO network, got others")
    if number in constants:
        kind = layer.data["element_type"]
        raw = constants[number].read()
        return halves(raw, layer.shape, signed=_HALVES[kind]) if kind in _HALVES else raw
    first = _computed(layers, constants, layer.inputs.get(0, ""), depth - 1)
    if layer.kind == "Convert":
        return first.astype(np.float32)
    if first.size == math.prod(layer.shape):
        if layer.kind == "Reshape":
            return first.reshape(layer.shape)
        second = _computed(layers, constants, layer.inputs.get(1, ""), depth - 1).astype(np.float32)
        if first.shape == layer.shape and spreads(second.shape, layer.shape):
            wide = first.astype(np.float32)
            return np.asarray(wide - second if layer.kind == "Subtract" else wide * second)
    raise MalformedError(f"expected {layer.name} of shape {layer.shape} in an OpenVINO network, got another"[:300])


def _turn(layer: _Layer, shape: Shape) -> tuple[tuple[int, ...], Shape] | None:
    """Return the order of axes and then the shape in which filters are rows."""
    axes, axis = [*range(len(shape))], USES[layer.kind]
    if min(shape, default=0) < 1 or len(shape) < 2 or (layer.kind == "MatMul" and len(shape) > 2):
        return None
    if layer.kind == "MatMul":
        axis = 0 if layer.data.get("transpose_b") in ("true", "1") else 1
    if layer.kind == "GroupConvolution":
        return tuple(axes), (shape[0] * shape[1], *shape[2:])
    order = (axis, *(number for number in axes if number != axis))
    return order, tuple(shape[number] for number in order)


def _turned(source: Callable[[], Array], order: tuple[int, ...], shape: Shape) -> Array:
    return source().transpose(order).reshape(shape)
