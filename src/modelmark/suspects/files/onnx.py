"""ONNX: tensors inside the file and beside it; what nodes do with them says which axis counts the filters. Nothing runs.

Integers are read as the numbers that they stand for, by the scales and zero points of ``DequantizeLinear``, ``ConvInteger`` and
their kind; weights of ``MatMul`` and ``Gemm`` are turned to outputs first, and blocks of onnxruntime's layout are put in a row.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files import blocked, integers
from modelmark.suspects.files.base import WeightFile, require_names
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape, remembering, require_together, require_within
from modelmark.suspects.files.onnxgraph import TYPES, Graph, Node, Stored, parsed

_HEAD = re.compile(rb"\x08[\x01-\x1f](?:\x10.)?[\x12\x1a\x22\x28\x32\x3a\x42]", re.DOTALL)
_CHAIN = 16  # nodes between a tensor and what uses it
_BLOCKED = "com.microsoft.nchwc"

# which input of a node holds the filters, by what the node does, and which of its axes counts them
USES: dict[str, tuple[int, int]] = {
    "Conv": (1, 0), "FusedConv": (1, 0), "ConvInteger": (1, 0), "QLinearConv": (3, 0), "ConvTranspose": (1, 1),
    "Gemm": (1, 1), "FusedGemm": (1, 1), "MatMul": (1, 1), "FusedMatMul": (1, 1), "MatMulInteger": (1, 1),
    "MatMulIntegerToFloat": (1, 1), "DynamicQuantizeMatMul": (1, 1), "QLinearMatMul": (3, 1), "QGemm": (3, 1),
    "Gather": (0, 0),
}  # fmt: skip
# where integers stand without DequantizeLinear: the inputs that hold their scale, if any does, and their zero point
_INTEGERS: dict[str, tuple[int | None, int]] = {
    "ConvInteger": (None, 3), "MatMulInteger": (None, 3), "QLinearConv": (4, 5), "QLinearMatMul": (4, 5), "QGemm": (4, 5),
    "MatMulIntegerToFloat": (3, 5), "DynamicQuantizeMatMul": (2, 3),
}  # fmt: skip
_BETWEEN = ("DequantizeLinear", "QuantizeLinear", "Transpose", "Identity", "Cast")
# what onnxruntime and its quantisers make of a tensor's name
_NAMES = ("{}", "{}_quantized", "{}_Transposed_quantized", "ConvBnFusion_W_{}", "ConvBnFusion_W_{}_quantized")

Step = Callable[[Array], Array]


def is_onnx(head: bytes) -> bool:
    """Return whether the first bytes are those of an ONNX model: its version, then a field that can follow."""
    return bool(_HEAD.match(head))


@dataclass(frozen=True)
class _Weight:
    """A tensor of the file, what is done to it, and its shape then."""

    stored: Stored
    shape: Shape
    steps: tuple[Step, ...] = ()
    is_known: bool = False
    words: str = ""


def opened(path: Path) -> WeightFile:
    """Return the tensors in the order in which the nodes use them, mapped.

    Raises:
        MalformedError: damaged, cut off, or with numbers that are not beside it.
    """
    graph = parsed(path)
    require_names(path, graph.tensors)
    require_within(path, {name: one.extent for name, one in graph.tensors.items() if one.extent is not None})
    found = _used(path, graph)
    for name, stored in graph.tensors.items():
        found.setdefault(name, _Weight(stored, stored.shape))
    require_together(path, (4 * _count(one.shape) for one in found.values() if one.steps))

    def read(name: str) -> Array:
        tensor = found[name].stored.read(graph.message)
        try:
            for step in found[name].steps:
                tensor = step(tensor)
        except (RuntimeError, ValueError):
            raise MalformedError(f"expected scales for the integers {name} in {path}, got others"[:300]) from None
        return tensor

    computed = remembering(read)
    shapes = {name: one.shape for name, one in found.items()}
    reader = lambda name: computed(name) if found[name].steps else read(name)  # noqa: E731
    undone = [one.words for one in found.values() if one.words]
    return WeightFile(
        path, f"ONNX ({graph.producer or 'of no producer'})"[:100], shapes, reader, lambda: reader,
        notes=tuple(f"{words}: {counted(undone.count(words), 'tensor')}" for words in dict.fromkeys(undone)),
        unreadable=graph.unreadable,
        types={name: TYPES[one.stored.kind][0] for name, one in found.items()},
        stored={name: one.stored.shape for name, one in found.items() if one.stored.shape != one.shape},
        rows=frozenset(name for name, one in found.items() if one.is_known),
        called=lambda name: next((form for known in _NAMES if (form := known.format(name)) in shapes), ""),
        in_order=True,
    )  # fmt: skip


def _used(path: Path, graph: Graph) -> dict[str, _Weight]:
    """Return the tensors that nodes use as filters, filters first, in the order of the nodes."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    found: dict[str, _Weight] = {}
    in_blocks: list[str] = []
    for node in graph.nodes:
        if node.op not in USES:
            continue
        place, axis = USES[node.op]
        weight = _reached(graph, makers, node.inputs[place] if place < len(node.inputs) else "")
        if weight is None or weight.stored.name in found or len(weight.shape) < 2:
            continue
        if node.op in _INTEGERS:
            weight = _with(weight, _scaled(graph, node, weight, axis), "integers read by their scales")
        if node.domain == _BLOCKED and weight.shape == weight.stored.shape:
            in_blocks.append(weight.stored.name)
        elif axis and not node.integer("transB", 0):
            weight = _turned(weight, is_plain=node.op != "ConvTranspose")
        is_stacked = len(weight.shape) > 2 and "Conv" not in node.op
        found[weight.stored.name] = replace(weight, is_known=node.op != "Gather" and not is_stacked)
    return found | _unblocked(path, graph, {name: found[name] for name in in_blocks})


def _reached(graph: Graph, makers: dict[str, Node], name: str) -> _Weight | None:
    """Return the tensor that reaches a node under a name, through nodes that only rewrite it."""
    between: list[Node] = []
    while name not in graph.tensors:
        node = makers.get(name)
        if node is None or node.op not in _BETWEEN or not node.inputs or len(between) == _CHAIN:
            return None
        between.append(node)
        name = node.inputs[0]
    stored = graph.tensors[name]
    weight = _Weight(stored, stored.shape)
    for node in reversed(between):
        if node.op == "Transpose":
            given = node.attributes.get("perm")
            order = given if isinstance(given, list) and given else [*range(len(weight.shape))][::-1]
            if sorted(order) != [*range(len(weight.shape))]:
                return None
            weight = _permuted(weight, order)
        elif node.op == "DequantizeLinear":
            scale, zero = (_constant(graph, node, number) for number in (1, 2))
            if scale is None:
                return None
            step = partial(_dequantised, scale=scale, zero=zero, axis=node.integer("axis", 1))
            weight = _with(weight, step, "integers read by their scales")
    return weight


def _constant(graph: Graph, node: Node, number: int) -> Callable[[], Array] | None:
    stored = graph.tensors.get(node.inputs[number]) if number < len(node.inputs) else None
    return None if stored is None else partial(stored.read, graph.message)


def _scaled(graph: Graph, node: Node, weight: _Weight, axis: int) -> Step:
    """Return what makes numbers of the integers that a node computes with."""
    at, zero_at = _INTEGERS[node.op]
    scale = None if at is None else _constant(graph, node, at)
    if at is None:  # it stands after the node, under the name that onnxruntime gives it
        stored = graph.tensors.get(weight.stored.name.removesuffix("_quantized") + "_scale")
        scale = None if stored is None else partial(stored.read, graph.message)
    zero = _constant(graph, node, zero_at)
    return partial(_dequantised, scale=scale, zero=zero, axis=0 if not axis or node.integer("transB", 0) else -1)


def _dequantised(
    tensor: Array, scale: Callable[[], Array] | None, zero: Callable[[], Array] | None, axis: int
) -> Array:
    return integers.numbers(tensor, None if scale is None else scale(), None if zero is None else zero(), axis)


def _with(weight: _Weight, step: Step, words: str) -> _Weight:
    return replace(weight, steps=(*weight.steps, step), words=words)


def _permuted(weight: _Weight, order: list[int]) -> _Weight:
    shape = tuple(weight.shape[axis] for axis in order)
    return replace(weight, shape=shape, steps=(*weight.steps, lambda tensor: tensor.transpose(order)))


def _turned(weight: _Weight, *, is_plain: bool) -> _Weight:
    """Return a tensor with the axis that counts filters first: the last, of convolutions the second; stacked ones each."""
    axes = len(weight.shape)
    first = [*range(axes - 2), axes - 1] if is_plain else [1]
    return _permuted(weight, [*first, *(number for number in range(axes) if number not in first)])


def _unblocked(path: Path, graph: Graph, weights: dict[str, _Weight]) -> dict[str, _Weight]:
    """Return filters that onnxruntime's optimiser laid out in blocks, under the shapes that they had before."""

    def given(weight: _Weight) -> Array:
        return weight.stored.read(graph.message)

    require_together(path, (4 * _count(weight.shape) for weight in weights.values()))  # before any is read
    size = blocked.block_size([(weight.shape, partial(given, weight)) for weight in weights.values()])
    if size is None:
        return weights
    found = {}
    for name, weight in weights.items():
        tensor = blocked.unblocked(given(weight), size)
        more = blocked.filled(tensor, size)
        filters, inputs = weight.shape[0] - more[0], weight.shape[1] - more[1]

        def undone(tensor: Array, filters: int = filters, inputs: int = inputs) -> Array:
            return blocked.unblocked(tensor, size)[:filters, :inputs]

        words = f"blocks of {size} channels put back in a row"
        found[name] = replace(_with(weight, undone, words), shape=(filters, inputs, *weight.shape[2:]))
    return found


def _count(shape: Shape) -> int:
    return math.prod(shape)
