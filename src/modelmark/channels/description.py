"""Which channels of a network belong together: what can be reordered or rescaled without changing the function.

Two tensors share an *axis* where reordering the channels of one forces the same order on the other, and a *gauge* where
scaling a channel of one forces the same factor on the other. A convolution or linear layer begins a new axis and a new
gauge; batch norm begins a new gauge only, since it absorbs the scale of its input; an addition unites both.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["conv", "linear", "norm"]


@dataclass(frozen=True)
class Axis:
    """Tensors whose channels are ordered together.

    Args:
        size: number of channels.
        fixed: whether the order is that of the model's input or output.
    """

    size: int
    fixed: bool


@dataclass(frozen=True)
class Gauge:
    """Tensors whose channels are scaled together.

    Args:
        axis: index of their axis.
        fixed: whether only the factor 1 leaves the function unchanged.
        signed: whether factors may be negative.
    """

    axis: int
    fixed: bool
    signed: bool


@dataclass(frozen=True)
class Port:
    """One side of a layer.

    Args:
        axis: index of the tensor's axis.
        gauge: index of the tensor's gauge.
        block: consecutive features that make up a channel: height times width after flattening, else 1.
    """

    axis: int
    gauge: int
    block: int


@dataclass(frozen=True)
class Junction:
    """A layer with weights, and what its input and output belong to.

    Args:
        path: state-dict path of the module.
        kind: batch norm is ``norm``.
        source: its input.
        output: its output.
    """

    path: str
    kind: Kind
    source: Port
    output: Port


@dataclass(frozen=True)
class Channels:
    """The axes and gauges of a network; both are numbered in the order of the forward pass, the input's first.

    Args:
        junctions: convolution, linear and batch norm layers in the order of the forward pass.
        axes: see ``Axis``.
        gauges: see ``Gauge``.
    """

    junctions: tuple[Junction, ...]
    axes: tuple[Axis, ...]
    gauges: tuple[Gauge, ...]

    @property
    def movable(self) -> tuple[int, ...]:
        """Indices of the axes that can be reordered."""
        return tuple(index for index, axis in enumerate(self.axes) if not axis.fixed)

    @property
    def scalable(self) -> tuple[int, ...]:
        """Indices of the gauges that can be rescaled."""
        return tuple(index for index, gauge in enumerate(self.gauges) if not gauge.fixed)
