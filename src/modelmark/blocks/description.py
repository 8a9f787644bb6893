"""What the weights of a transformer are to each other.

All computation happens on the *residual stream*, a vector a token. Linear maps write into it or read from it, each reader behind
a norm. Between readers and writers lie heads and hidden units, which no one else sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

State: TypeAlias = Mapping[str, npt.NDArray[np.floating]]
"""Weights by state-dict name."""

Freedom: TypeAlias = Literal["none", "signs", "positive", "any"]
"""Which factors of a hidden unit cancel: none behind GELU, 1 and -1 behind tanh, positive ones behind ReLU, any beside a gate."""
Basis: TypeAlias = Literal["none", "pairs", "any"]
"""In which bases a head's queries and keys can be written: any, or turned within the pairs that rotary positions turn."""


@dataclass(frozen=True)
class Linear:
    """A linear map ``(outputs, inputs)`` in a tensor.

    Args:
        weight: name of the tensor; a kernel's other axes are inputs.
        bias: of its bias; empty: it has none.
        turned: whether the tensor's last axis counts the outputs, as in transformers' Conv1D and in tables of tokens.
        rows: first output and the one behind the last, of a tensor that holds several maps.
    """

    weight: str
    bias: str = ""
    turned: bool = False
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Norm:
    """LayerNorm or RMSNorm of the stream, by the names of its gain and its bias.

    Args:
        weight: gain.
        bias: empty: it has none.
        centred: whether the mean over the stream is thrown away, as LayerNorm does.
        readers: what reads its output and nothing else; none of a norm whose output is the stream itself.
    """

    weight: str
    bias: str = ""
    centred: bool = True
    readers: tuple[Linear, ...] = ()


@dataclass(frozen=True)
class Attention:
    """Heads of one block.

    Args:
        query: ``heads * size`` outputs, heads one after another.
        key: ``groups * size`` outputs.
        value: as many.
        out: reads ``heads * size``.
        heads: number of them; 0: not known.
        groups: of heads that share keys and values; as many as heads unless queries are grouped.
        basis: of queries and keys.
    """

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    heads: int
    groups: int
    basis: Basis


@dataclass(frozen=True)
class Units:
    """Hidden units between layers that make and layers that read them.

    Args:
        makers: their outputs are the units.
        scaled: those of them whose output may be scaled if readers are scaled back.
        readers: their inputs are the units.
        freedom: of a unit's factor.
    """

    makers: tuple[Linear, ...]
    scaled: tuple[Linear, ...]
    readers: tuple[Linear, ...]
    freedom: Freedom


@dataclass(frozen=True)
class Part:
    """A block, or what lies outside of blocks.

    Args:
        path: what the names of its tensors begin with; empty: outside.
        writers: their outputs go into the stream; tables and positions among them.
        readers: their inputs are the stream, behind a norm or not.
        norms: of the stream.
        attention: none outside.
        units: of its perceptron, or of a pooler.
    """

    path: str
    writers: tuple[Linear, ...] = ()
    readers: tuple[Linear, ...] = ()
    norms: tuple[Norm, ...] = ()
    attention: Attention | None = None
    units: tuple[Units, ...] = ()


@dataclass(frozen=True)
class Transformer:
    """A transformer.

    Args:
        width: of the residual stream.
        parts: what lies outside of blocks first, then the blocks.
        pre: whether every reader of the stream is behind a norm of its own and nothing else reads it, so that the basis of the
            stream is free.
        tied: names that share a tensor, each with the name under which it is described.
        unknown: tensors whose part is not known.
    """

    width: int
    parts: tuple[Part, ...]
    pre: bool
    tied: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def outside(self) -> Part:
        """What lies outside of blocks."""
        return self.parts[0]

    @property
    def blocks(self) -> tuple[Part, ...]:
        """The blocks in their order."""
        return self.parts[1:]

    @property
    def centred(self) -> bool:
        """Whether every norm of the stream throws its mean away."""
        return all(norm.centred for part in self.parts for norm in part.norms)
