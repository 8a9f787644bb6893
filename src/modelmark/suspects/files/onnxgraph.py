"""What an ONNX file holds: tensors with where their numbers lie, and nodes; no number is read.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the numbers of fields are those of that file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import NAMES
from modelmark.suspects.files.dtypes import DTYPES, Array, is_floating
from modelmark.suspects.files.mapped import Extent, Shape, halves, require_shape
from modelmark.suspects.files.protobuf import Message, Span, varints

# data types by their numbers, as onnx calls them and as torch does; the last two are packed, two in a byte
TYPES: dict[int, tuple[str, str]] = {
    1: ("float32", "float32"), 2: ("uint8", "uint8"), 3: ("int8", "int8"), 4: ("uint16", "uint16"),
    5: ("int16", "int16"), 6: ("int32", "int32"), 7: ("int64", "int64"), 9: ("bool", "bool"),
    10: ("float16", "float16"), 11: ("float64", "float64"), 12: ("uint32", "uint32"),
    13: ("uint64", "uint64"), 14: ("complex64", "complex64"), 15: ("complex128", "complex128"),
    16: ("bfloat16", "bfloat16"), 17: ("float8e4m3fn", "float8_e4m3fn"), 18: ("float8e4m3fnuz", "float8_e4m3fnuz"),
    19: ("float8e5m2", "float8_e5m2"), 20: ("float8e5m2fnuz", "float8_e5m2fnuz"),
    21: ("uint4", "uint8"), 22: ("int4", "int8"),
}  # fmt: skip
_HALVES = (21, 22)
# fields of TensorProto in which numbers stand one after the other, and those in which they are packed integers
_FLAT = {4: (1, 14), 9: tuple(TYPES), 10: (11, 15)}
_PACKED = {5: (2, 3, 4, 5, 6, 9, 10, *range(16, 23)), 7: (7,), 11: (12, 13)}

_DEPTH = 8  # branches within branches

Attribute: TypeAlias = "list[int] | Stored"


@dataclass(frozen=True)
class Stored:
    """A tensor of the file.

    Args:
        name: of it.
        shape: as it is stored.
        kind: number of its data type.
        extent: where its numbers lie one after the other; None where they are packed integers.
        packed: where those stand.
    """

    name: str
    shape: Shape
    kind: int
    extent: Extent | None
    packed: Span = (0, 0)

    def read(self, message: Message) -> Array:
        """Return the numbers."""
        if self.kind not in _HALVES and self.extent is not None:
            return self.extent.read()
        values = self._integers(message) if self.extent is None else self.extent.read()
        name, dtype = TYPES[self.kind][0], DTYPES[TYPES[self.kind][1]]
        expected = self._octets if self.kind in _HALVES else _count(self.shape)
        if values.size != expected:
            raise message.damaged()
        if self.kind in _HALVES:
            return halves(values, self.shape, signed=name == "int4")
        if is_floating(dtype):  # their bits, as integers
            values = values.astype(np.uint16 if dtype.itemsize == 2 else np.uint8).view(dtype)
        return values.astype(dtype, copy=False).reshape(self.shape)

    @property
    def _octets(self) -> int:
        """Bytes of halves."""
        return -(-_count(self.shape) // 2)

    def _integers(self, message: Message) -> npt.NDArray[np.int64]:
        return varints(message.bytes(self.packed, 2**40))


@dataclass
class Node:
    """A node of the graph: what it does with which tensors, and those of its attributes that are integers, tensors or graphs."""

    op: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    graphs: list[tuple[str, Span]] = field(default_factory=list)

    def integer(self, name: str, otherwise: int) -> int:
        """Return an attribute that is one integer."""
        found = self.attributes.get(name)
        return found[0] if isinstance(found, list) and found else otherwise


@dataclass
class Graph:
    """Tensors and nodes in the order of the file, what wrote it, tensors that cannot be read with why, and all names."""

    message: Message
    tensors: dict[str, Stored] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    producer: str = ""
    unreadable: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


def parsed(path: Path) -> Graph:
    """Return what a file holds.

    Raises:
        MalformedError: damaged, too large, a name stands twice, or numbers lie outside of the file's folder.
    """
    message = Message(path, "an ONNX model")
    graph, spans = Graph(message), []
    for number, value in message.fields(message.whole):
        if number in (2, 3):
            graph.producer = f"{graph.producer} {message.text(value)}".strip()
        elif number == 7:
            spans.append(message.span(value))
    if len(spans) != 1:
        raise message.damaged()
    _fill(graph, spans[0], 0)
    return graph


def _fill(graph: Graph, span: Span, depth: int) -> None:
    """Add what stands in a graph, and in the branches and bodies of its nodes."""
    message = graph.message
    for number, value in message.fields(span):
        if number == 5:
            _add(graph, _tensor(graph, message.span(value)))
        elif number == 1:
            node = _node(graph, message.span(value))
            constant = node.attributes.get("value")
            if node.op == "Constant" and isinstance(constant, Stored) and node.outputs:
                _add(graph, replace(constant, name=node.outputs[0]))
            _append(graph, node)
            for name, inside in node.graphs if depth < _DEPTH else ():
                inner = Graph(message)
                _fill(inner, inside, depth + 1)
                _join(graph, inner, f"{node.outputs[0] if node.outputs else node.op}/{name}/")
        elif number == 15:
            graph.unreadable[f"sparse tensor {len(graph.unreadable)}"] = "sparse"
        if len(graph.nodes) > NAMES or len(graph.tensors) > NAMES:
            raise MalformedError(f"expected at most {NAMES} tensors and nodes in {message.path}, got more")


def _join(graph: Graph, inner: Graph, place: str) -> None:
    """Add a branch to the graph around it, under its own names unless another branch has one of them, too."""
    names = {} if inner.names.isdisjoint(graph.names) else {name: f"{place}{name}" for name in inner.names}
    for name, tensor in inner.tensors.items():
        _add(graph, replace(tensor, name=names.get(name, name)))
    for node in inner.nodes:
        inputs, made = ([names.get(name, name) for name in every] for every in (node.inputs, node.outputs))
        _append(graph, replace(node, inputs=inputs, outputs=made))
    graph.unreadable |= {names.get(name, f"{place}{name}"): what for name, what in inner.unreadable.items()}


def _add(graph: Graph, tensor: Stored | None) -> None:
    if tensor is None:
        return
    if tensor.name in graph.tensors:
        raise MalformedError(f"expected every name once in {graph.message.path}, got {tensor.name!r} twice"[:300])
    graph.tensors[tensor.name] = tensor
    graph.names.add(tensor.name)


def _append(graph: Graph, node: Node) -> None:
    graph.nodes.append(node)
    graph.names.update(node.outputs)


def _node(graph: Graph, span: Span) -> Node:
    message, node = graph.message, Node()
    for number, value in message.fields(span):
        if number == 1:
            node.inputs.append(message.text(value))
        elif number == 2:
            node.outputs.append(message.text(value))
        elif number == 4:
            node.op = message.text(value)
        elif number == 7:
            node.domain = message.text(value)
        elif number == 5:
            name, integers, tensor, inside = "", list[int](), None, None
            for part, given in message.fields(message.span(value)):
                if part == 1:
                    name = message.text(given)
                elif part in (3, 8):
                    integers += message.integers(given)
                elif part == 5:
                    tensor = _tensor(graph, message.span(given))
                elif part == 6:
                    inside = message.span(given)
            if inside is not None:
                node.graphs.append((name, inside))
            node.attributes[name] = integers if tensor is None else tensor
    return node


def _tensor(graph: Graph, span: Span) -> Stored | None:
    """Return a tensor, None where it is of a kind that holds no numbers."""
    message, path = graph.message, graph.message.path
    name, kind, shape, outside, found = "", 0, list[int](), dict[str, str](), dict[int, Span]()
    for number, value in message.fields(span):
        if number == 1:
            shape += message.integers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = message.text(value)
        elif number == 13:
            key, text = "", ""
            for part, given in message.fields(message.span(value)):
                key, text = (message.text(given), text) if part == 1 else (key, message.text(given))
            outside[key] = text
        elif number in _FLAT or number in _PACKED:
            if number in found or isinstance(value, int):
                graph.unreadable[name] = "written one number at a time"
                return None
            found[number] = value
    if kind not in TYPES:
        graph.unreadable[name] = f"of the data type {kind} of onnx, which holds no numbers that are read"
        return None
    require_shape(path, name, shape)
    numbers = -(-_count(shape) // 2) if kind in _HALVES else _count(shape)
    dtype = DTYPES["uint8" if kind in _HALVES else TYPES[kind][1]]
    if outside:
        place, offset, size = _beside(path, name, outside)
        start, stop = offset, offset + (numbers * dtype.itemsize if size is None else size)
    else:
        place, (start, stop) = path, next((at for number, at in found.items() if kind in _FLAT.get(number, ())), (0, 0))
        packed = next((at for number, at in found.items() if kind in _PACKED.get(number, ())), None)
        if start == stop and packed is not None:
            if packed[1] - packed[0] < numbers:
                raise message.damaged()
            return Stored(name, tuple(shape), kind, None, packed)
    if stop - start != numbers * dtype.itemsize:
        raise MalformedError(
            f"expected {numbers * dtype.itemsize} bytes of {name} in {path}, got {stop - start}"[:300],
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        )
    flat = (numbers,) if kind in _HALVES else tuple(shape)
    return Stored(name, tuple(shape), kind, Extent(place, start, dtype, flat))


def _beside(path: Path, name: str, outside: dict[str, str]) -> tuple[Path, int, int | None]:
    """Return the file beside the model that holds a tensor, where it starts there, and its bytes."""
    location = outside.get("location", "")
    place = PurePosixPath(location)
    if (
        not location
        or place.is_absolute()
        or ".." in place.parts
        or "\\" in location
        or "\0" in location
        or ":" in location
    ):
        raise MalformedError(f"expected the numbers of {name} beside {path}, got them at {location!r}"[:300])
    try:
        offset, size = int(outside.get("offset", "0")), int(outside["length"]) if "length" in outside else None
    except ValueError:
        raise MalformedError(f"expected where {name} lies in {location}, got something else"[:300]) from None
    if not (path.parent / place).is_file():
        raise MalformedError(
            f"expected {location} beside {path.name}, which names it, found none"[:300],
            hint="the numbers of this model are in that file: fetch it, too",
        )
    return path.parent / place, offset, size


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
