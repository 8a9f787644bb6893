"""TFLite: constants of the graph, mapped; integers by their scales, kernels turned to filters, inputs, then what they span.

The library ``tflite`` knows where everything lies: it is the schema of the format, without a runtime.
"""

import math
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from modelmark.errors import MalformedError, MissingPackageError
from modelmark.naming import counted
from modelmark.suspects.files import integers
from modelmark.suspects.files.base import HEADER, NAMES, WeightFile, require_names
from modelmark.suspects.files.dtypes import DTYPES, Array
from modelmark.suspects.files.mapped import Extent, Shape, halves, remembering, require_shape, require_within

# types by their names in the schema
TYPES = {
    "FLOAT32": "float32", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "FLOAT64": "float64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
    "UINT16": "uint16", "UINT32": "uint32", "BOOL": "bool", "INT4": "uint8",
}  # fmt: skip
# operators with filters: which input holds them, and the order of axes in which those are filters, inputs, space
USES: dict[str, tuple[int, tuple[int, ...]]] = {
    "CONV_2D": (1, (0, 3, 1, 2)), "DEPTHWISE_CONV_2D": (1, (3, 0, 1, 2)), "TRANSPOSE_CONV": (1, (0, 3, 1, 2)),
    "CONV_3D": (1, (4, 3, 0, 1, 2)), "FULLY_CONNECTED": (1, (0, 1)),
}  # fmt: skip


@dataclass(frozen=True)
class _Constant:
    """A tensor of the graph whose numbers are in the file."""

    name: str
    shape: Shape
    kind: str
    extent: Extent
    scale: Array | None
    zero: Array | None
    axis: int

    def read(self) -> Array:
        """Return the numbers, of integers those that they stand for."""
        raw = self.extent.read()
        raw = halves(raw, self.shape, signed=True) if self.kind == "INT4" else raw
        return raw if self.scale is None else integers.numbers(raw, self.scale, self.zero, self.axis)


def is_tflite(head: bytes) -> bool:
    """Return whether the first bytes are those of TFLite."""
    return head[4:8] == b"TFL3"


def opened(path: Path) -> WeightFile:
    """Return the constants, those that operators use as filters first, in their order.

    Raises:
        MalformedError: damaged.
        MissingPackageError: tflite is not installed.
    """
    try:
        import tflite
    except ImportError:
        raise MissingPackageError(
            "expected tflite to be installed to read TFLite", hint="pip install 'modelmark[tflite]'"
        ) from None
    made: dict[str, tuple[Shape, Callable[[], Array]]] = {}
    stored: dict[str, _Constant] = {}
    rows = set()
    unreadable: dict[str, str] = {}
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            graphs = list(_graphs(path, tflite, data, unreadable))
    except MalformedError:
        raise
    except Exception:  # whatever the library makes of a damaged file
        raise MalformedError(
            f"expected a TFLite model in {path}, got a damaged one",
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        ) from None
    for constants, uses in graphs:
        for number, order in uses:
            constant = constants[number]
            if constant.name not in made and len(order) == len(constant.shape):
                shape = tuple(constant.shape[axis] for axis in order)
                made[constant.name] = shape, partial(_turned, constant, order)
                rows.add(constant.name)
        for constant in constants.values():
            made.setdefault(constant.name, (constant.shape, constant.read))
            stored[constant.name] = constant
    require_names(path, made)
    require_within(path, {name: constant.extent for name, constant in stored.items()})
    read = remembering(lambda name: made[name][1]())
    quantised = sum(constant.scale is not None for constant in stored.values())
    return WeightFile(
        path, "TFLite", {name: shape for name, (shape, _) in made.items()}, read, lambda: read,
        notes=(f"integers read by their scales: {counted(quantised, 'tensor')}",) if quantised else (), unreadable=unreadable,
        types={name: constant.kind.lower() for name, constant in stored.items()},
        stored={name: constant.shape for name, constant in stored.items() if constant.shape != made[name][0]},
        rows=frozenset(rows), in_order=True,
    )  # fmt: skip


def _turned(constant: _Constant, order: tuple[int, ...]) -> Array:
    return constant.read().transpose(order)


def _graphs(
    path: Path, tflite: ModuleType, data: mmap.mmap, unreadable: dict[str, str]
) -> Iterator[tuple[dict[int, _Constant], list[tuple[int, tuple[int, ...]]]]]:
    """Yield of each graph its constants by number, and which of them hold filters, with the order of their axes."""
    model = tflite.Model.GetRootAs(data, 0)
    kinds = {number: name for name, number in vars(tflite.TensorType).items() if name in TYPES}
    operators = {number: name for name, number in vars(tflite.BuiltinOperator).items() if name in (*USES, "DEQUANTIZE")}
    names, letters = set[str](), 0
    for graph in (model.Subgraphs(number) for number in range(_few(path, model.SubgraphsLength()))):
        constants: dict[int, _Constant] = {}
        for number in range(_few(path, graph.TensorsLength())):
            tensor = graph.Tensors(number)
            name = (tensor.Name() or b"").decode(errors="replace")
            letters += len(name)
            if letters > HEADER:
                raise MalformedError(f"expected at most {HEADER} bytes of names in {path}, got more")
            name = f"{name} {number}" if name in names else name
            names.add(name)
            found = _constant(path, model, data, tensor, name, kinds)
            if isinstance(found, str):
                unreadable[name] = found
            elif found is not None:
                constants[number] = found
        same: dict[int, int] = {}  # what only became another type
        uses = []
        for operator in (graph.Operators(number) for number in range(_few(path, graph.OperatorsLength()))):
            code = model.OperatorCodes(operator.OpcodeIndex())
            does = operators.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")
            if does == "DEQUANTIZE" and operator.InputsLength() and operator.OutputsLength():
                same[operator.Outputs(0)] = operator.Inputs(0)
            elif does in USES and operator.InputsLength() > USES[does][0]:
                number = operator.Inputs(USES[does][0])
                number = same.get(number, number)
                uses += [(number, USES[does][1])] if number in constants else []
        yield constants, uses


def _constant(
    path: Path, model: Any, data: mmap.mmap, tensor: Any, name: str, kinds: dict[int, str]
) -> _Constant | str | None:
    """Return a tensor with numbers, why it is not read, or None of one that is computed."""
    buffer = model.Buffers(tensor.Buffer())
    beyond = buffer.Offset() > 1  # of large files: behind the graph
    size = buffer.Size() if beyond else buffer.DataLength()
    if not size:
        return None
    kind = kinds.get(tensor.Type(), "")
    if not kind or tensor.Sparsity() is not None:
        return "sparse" if kind else f"of type {tensor.Type()}"
    shape = tuple(tensor.Shape(axis) for axis in range(min(tensor.ShapeLength(), 65)))
    require_shape(path, name, shape)
    count = math.prod(shape)
    kept = (-(-count // 2),) if kind == "INT4" else shape
    start = buffer.Offset() if beyond else _place(data, buffer.DataAsNumpy())
    extent = Extent(path, start, DTYPES[TYPES[kind]], kept)
    if extent.nbytes != size:
        raise MalformedError(f"expected {extent.nbytes} bytes of {name!a} in {path}, got {size}"[:300])
    scale = zero = None
    rule = tensor.Quantization()
    if rule is not None and rule.ScaleLength():
        scale = rule.ScaleAsNumpy().copy()
        zero = rule.ZeroPointAsNumpy().copy() if rule.ZeroPointLength() else None
    return _Constant(name, shape, kind, extent, scale, zero, rule.QuantizedDimension() if rule is not None else 0)


def _place(data: mmap.mmap, array: Any) -> int:
    """Return at which byte of the file an array stands."""
    whole = np.frombuffer(data, np.uint8)
    return int(array.__array_interface__["data"][0] - whole.__array_interface__["data"][0])


def _few(path: Path, count: int) -> int:
    if count > NAMES:
        raise MalformedError(f"expected at most {NAMES} tensors and operators in {path}, got {count}")
    return count
