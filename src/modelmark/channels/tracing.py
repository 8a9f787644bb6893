"""Following channels through a forward pass that torch.fx has traced."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import fx, nn

from modelmark.channels.description import Axis, Channels, Gauge, Junction, Kind, Port
from modelmark.errors import MismatchError, UsageError
from modelmark.networks.layers import unwrapped

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_LINEAR = {
    *("dropout", "alphadropout", "featuredropout", "identity", "contiguous", "clone", "detach", "zeropad"),
    *("avgpool", "adaptiveavgpool"),
}
"""Operations that commute with any factor."""
_HOMOGENEOUS = {"relu", "leakyrelu", "maxpool", "adaptivemaxpool"}
"""Operations that commute with positive factors."""
_BENT = {
    *("sigmoid", "tanh", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "hardtanh", "relu6", "elu", "selu"),
    *("celu", "softplus", "softsign", "logsigmoid", "tanhshrink", "softshrink", "hardshrink"),
}
"""Operations on single values that commute with no factor."""
_ENDS = {"softmax", "logsoftmax"}
"""Operations over classes."""
_RESHAPES = {"flatten", "view", "reshape"}
_NOT_TENSORS = {"size", "getattr", "getitem", "dim"}


def trace(model: nn.Module) -> Channels:
    """Follow the channels of ``model`` through its forward pass; nothing is computed.

    Raises:
        UsageError: torch.fx cannot trace the model, or an operation mixes channels or is not known here.
        MismatchError: layers whose widths do not fit together.
    """
    model = unwrapped(model)
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    if twice := sorted(set(names) - {name for name, _ in model.named_parameters()}):
        raise UsageError(f"expected every weight under one name, got {twice[0]} under two")
    try:
        graph = fx.Tracer().trace(model)
    except Exception as error:  # a person's own code may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"expected a model that torch.fx can trace, got: {reason}") from error
    follower = _Follower(model)
    for node in graph.nodes:
        follower.follow(node)
    return follower.described()


_Form: TypeAlias = Literal["map", "vector", "flattened"]
"""Where channels are: the second of a map's dimensions, all of a vector, or a map's dimensions made one."""


@dataclass(frozen=True)
class _Value:
    """A tensor in the forward pass."""

    axis: int
    gauge: int
    form: _Form


@dataclass(frozen=True)
class _Side:
    """A layer's input or output."""

    value: _Value
    features: int


class _Sets:
    """Disjoint sets of integers."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def new(self) -> int:
        self._parents.append(len(self._parents))
        return self._parents[-1]

    def root(self, item: int) -> int:
        while self._parents[item] != item:
            item = self._parents[item]
        return item

    def join(self, a: int, b: int) -> None:
        low, high = sorted((self.root(a), self.root(b)))
        self._parents[high] = low

    def numbers(self) -> dict[int, int]:
        """Return root -> its place among the roots."""
        roots = [item for item, parent in enumerate(self._parents) if item == parent]
        return {root: number for number, root in enumerate(roots)}

    def roots(self, items: Iterable[int]) -> set[int]:
        return {self.root(item) for item in items}


class _Follower:
    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._axes, self._gauges = _Sets(), _Sets()
        self._fixed_axes: list[int] = []
        self._fixed_gauges: list[int] = []
        self._positive: list[int] = []
        self._values: dict[fx.Node, _Value | None] = {}
        self._sides: dict[str, tuple[Kind, _Side, _Side]] = {}

    def follow(self, node: fx.Node) -> None:
        inputs = [self._values[each] for each in node.all_input_nodes]
        tensors = [value for value in inputs if value is not None]
        if node.op == "placeholder":
            self._values[node] = self._fixed(_Value(self._axes.new(), self._gauges.new(), "vector"))
        elif node.op == "output":
            if len(tensors) != 1 or not isinstance(node.args[0], fx.Node):
                raise UsageError("expected a model with one output tensor, got another structure")
            self._fixed(tensors[0])
        elif node.op == "call_module":
            module = self._model.get_submodule(str(node.target))
            if isinstance(module, (*_CONVOLUTIONS, nn.Linear, *_NORMS)) and len(tensors) == 1:
                self._values[node] = self._through(str(node.target), module, tensors[0])
            else:
                self._values[node] = self._operation(node, type(module).__name__, tensors)
        elif node.op == "get_attr":
            raise _refusal(node, "a parameter used outside a layer")
        else:
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
            self._values[node] = self._operation(node, name, tensors)

    def _fixed(self, value: _Value) -> _Value:
        self._fixed_axes.append(value.axis)
        self._fixed_gauges.append(value.gauge)
        return value

    def _through(self, path: str, module: nn.Module, value: _Value) -> _Value:
        if "weight" not in dict(module.named_parameters(recurse=False)) and not isinstance(module, _NORMS):
            raise UsageError(f"expected layers that hold their own weights, got {path}, which computes them")
        if isinstance(module, _NORMS):
            if not module.affine or not module.track_running_stats:
                raise UsageError(f"expected batch norm with weights and running statistics, got {path} without")
            output = _Value(value.axis, self._gauges.new(), value.form)
            sides = _Side(value, module.num_features), _Side(output, module.num_features)
            return self._enter(path, "norm", sides, output)
        if isinstance(module, nn.Linear):
            if value.form == "map":
                raise UsageError(f"expected channels flattened before a linear layer, got a map before {path}")
            output = _Value(self._axes.new(), self._gauges.new(), "vector")
            sides = _Side(value, module.in_features), _Side(output, module.out_features)
            return self._enter(path, "linear", sides, output)
        assert isinstance(module, _CONVOLUTIONS)
        if module.groups != 1:
            raise UsageError(f"expected convolutions of one group, got {module.groups} in {path}")
        output = _Value(self._axes.new(), self._gauges.new(), "map")
        sides = _Side(value, module.in_channels), _Side(output, module.out_channels)
        return self._enter(path, "conv", sides, output)

    def _enter(self, path: str, kind: Kind, sides: tuple[_Side, _Side], output: _Value) -> _Value:
        if path in self._sides:  # called twice: both calls see the same weights
            for earlier, now in zip(self._sides[path][1:], sides, strict=True):
                self._axes.join(earlier.value.axis, now.value.axis)
                self._gauges.join(earlier.value.gauge, now.value.gauge)
        self._sides.setdefault(path, (kind, *sides))
        return output

    def _operation(self, node: fx.Node, name: str, tensors: list[_Value]) -> _Value | None:
        plain = re.sub(r"_|[123]d$", "", name.lower())
        if not tensors or plain in _NOT_TENSORS:
            if tensors and (plain == "getitem" or node.args[1:2] not in ((), (0,), ("shape",))):
                raise _refusal(node, name)
            return None
        handler: Callable[[fx.Node, str, list[_Value]], _Value] | None = {
            **dict.fromkeys(("add", "iadd", "sub", "isub"), self._sum),
            **dict.fromkeys(("mul", "imul", "truediv", "div"), self._multiple),
            **dict.fromkeys(_RESHAPES, self._reshaped),
            "mean": self._mean,
        }.get(plain)
        if handler is not None:
            return handler(node, name, tensors)
        if len(tensors) != 1 or plain not in _LINEAR | _HOMOGENEOUS | _BENT | _ENDS:
            raise _refusal(node, name)
        if plain in _ENDS:
            return self._fixed(tensors[0])
        if plain in _HOMOGENEOUS:
            self._positive.append(tensors[0].gauge)
        if plain in _BENT:
            self._fixed_gauges.append(tensors[0].gauge)
        return tensors[0]

    def _sum(self, node: fx.Node, name: str, tensors: list[_Value]) -> _Value:
        if len(tensors) == 1 and len(set(node.args[:2])) == 2:  # a constant is added
            self._fixed_gauges.append(tensors[0].gauge)
        for other in tensors[1:]:
            self._axes.join(tensors[0].axis, other.axis)
            self._gauges.join(tensors[0].gauge, other.gauge)
        return tensors[0]

    def _multiple(self, node: fx.Node, name: str, tensors: list[_Value]) -> _Value:
        factors = [factor for factor in node.args if not isinstance(factor, fx.Node)]
        if len(factors) != 1 or not isinstance(factors[0], int | float) or not isinstance(node.args[0], fx.Node):
            raise _refusal(node, name)
        return tensors[0]

    def _reshaped(self, node: fx.Node, name: str, tensors: list[_Value]) -> _Value:
        if node.op == "call_module":
            module = self._model.get_submodule(str(node.target))
            sizes: tuple[object, ...] = (getattr(module, "start_dim", None), getattr(module, "end_dim", None))
        else:
            sizes = (*node.args[1:], *node.kwargs.values())
            sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], list | tuple) else sizes
        allowed = sizes in ((1,), (1, -1)) if "flatten" in name.lower() else len(sizes) == 2 and -1 in sizes
        if not allowed:
            raise _refusal(node, name)
        value = tensors[0]
        return _Value(value.axis, value.gauge, "flattened") if value.form == "map" else value

    def _mean(self, node: fx.Node, name: str, tensors: list[_Value]) -> _Value:
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        kept = bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))
        if tensors[0].form != "map" or not isinstance(dims, list | tuple) or set(dims) not in ({2, 3}, {-1, -2}):
            raise _refusal(node, name)
        return _Value(tensors[0].axis, tensors[0].gauge, "map" if kept else "vector")

    def described(self) -> Channels:
        sizes = self._sizes()
        axes, gauges = self._axes.numbers(), self._gauges.numbers()
        fixed_axes, fixed_gauges = self._axes.roots(self._fixed_axes), self._gauges.roots(self._fixed_gauges)
        positive = self._gauges.roots(self._positive)

        def port(side: _Side) -> Port:
            axis = self._axes.root(side.value.axis)
            return Port(axes[axis], gauges[self._gauges.root(side.value.gauge)], side.features // sizes[axis])

        junctions = tuple(
            Junction(path, kind, port(source), port(output)) for path, (kind, source, output) in self._sides.items()
        )
        homes = {each.gauge: each.axis for entry in junctions for each in (entry.source, entry.output)}
        return Channels(
            junctions,
            tuple(Axis(sizes.get(root, 0), root in fixed_axes) for root in axes),
            tuple(
                Gauge(homes.get(number, 0), root in fixed_gauges, root not in positive | fixed_gauges)
                for root, number in gauges.items()
            ),
        )

    def _sizes(self) -> dict[int, int]:
        """Return axis root -> channels; where a flattened tensor is the only one, each feature is a channel."""
        sizes: dict[int, int] = {}
        sides = [(path, side) for path, (_, *both) in self._sides.items() for side in both]
        for path, side in sorted(sides, key=lambda entry: entry[1].value.form == "flattened"):
            size = sizes.setdefault(self._axes.root(side.value.axis), side.features)
            if side.features % size if side.value.form == "flattened" else side.features != size:
                raise MismatchError(
                    f"expected layers that fit together, got {side.features} features for {size} in {path}"
                )
        return sizes


def _refusal(node: fx.Node, what: str) -> UsageError:
    """Refuse an operation: a parameter or a module by the path that files call it, another by its place in the trace."""
    where = node.target if node.op in ("get_attr", "call_module") else node.name
    return UsageError(f"expected operations through which channels can be followed, got {what} at {where}")
