"""A place in a network, and how each type of layer lays out its filters. Loads without torch.

A place is found by its path where the path is there, else by its size, its role and its order: every layer that fits is a
candidate, every candidate is a reading, and readings are charged by their number.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from modelmark.errors import MismatchError

MOST = 4096
"""Candidates for one place, beyond which a network is refused: 12 bits of charges say that nothing is known of the place."""

Role = Literal["linear", "conv", "embedding", "recurrent", "attention", "expert"]


@dataclass(frozen=True)
class Place:
    """Where a mark sits.

    Args:
        path: state-dict path of the layer, such as ``stage1.0.conv2``; a hint, which exporters and wrappers may have changed.
        width: M: weights of one filter, or units that the layer receives.
        role: what kind of layer it is; empty: any.
        layout: leading axes that are stacked, and the axis of the filters, where those are not rows.
    """

    path: str
    width: int
    role: Role | Literal[""] = ""
    layout: tuple[int, int] = (0, 0)

    @classmethod
    def named(cls, layer: str, width: int) -> "Place":
        """Return the place that a key names: a path, and after ``@`` the layout of a layer whose filters are not its rows."""
        found = re.fullmatch(r"(.*)@([0-9])\.([0-9])", layer, re.DOTALL)
        return cls(found[1], width, layout=(int(found[2]), int(found[3]))) if found else cls(layer, width)


@dataclass(frozen=True)
class Layout:
    """How a parameter holds filters.

    Args:
        parameter: name of the parameter within its module.
        role: of the module.
        axis: which axis counts the filters; the others, in their order, are one filter.
        stacked: leading axes that count whole matrices, such as the experts of a layer; their filters follow one another.
    """

    parameter: str
    role: Role
    axis: int = 0
    stacked: int = 0

    def order(self, dimensions: int) -> tuple[int, ...]:
        """Return the axes in the order filters first, for a parameter of so many ``dimensions``."""
        first = (*range(self.stacked), self.stacked + self.axis)
        return (*first, *(axis for axis in range(dimensions) if axis not in first))

    def size(self, shape: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Return the number of filters and the shape of one, of a parameter of ``shape``."""
        ordered = [shape[axis] for axis in self.order(len(shape))]
        return prod(ordered[: self.stacked + 1]), tuple(ordered[self.stacked + 1 :])


_ROWS, _KERNELS = Layout("weight", "linear"), Layout("weight", "conv")
_TURNED = Layout("weight", "conv", axis=1)
_EXPERTS = Layout("gate_up_proj", "expert", stacked=1), Layout("down_proj", "expert", stacked=1)
_TURNED_EXPERTS = Layout("gate_up_proj", "expert", 1, 1), Layout("down_proj", "expert", 1, 1)
_RECURRENT = tuple(
    Layout(f"weight_{part}_l{number}{way}", "recurrent")
    for number in range(8) for way in ("", "_reverse") for part in ("ih", "hh", "hr")
)  # fmt: skip

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "torch.nn.modules.linear.Linear": (_ROWS,),
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": (_ROWS,),
    "torch.nn.modules.conv.Conv1d": (_KERNELS,),
    "torch.nn.modules.conv.Conv2d": (_KERNELS,),
    "torch.nn.modules.conv.Conv3d": (_KERNELS,),
    "torch.nn.modules.conv.ConvTranspose1d": (_TURNED,),
    "torch.nn.modules.conv.ConvTranspose2d": (_TURNED,),
    "torch.nn.modules.conv.ConvTranspose3d": (_TURNED,),
    "torch.nn.modules.sparse.Embedding": (Layout("weight", "embedding"),),
    "torch.nn.modules.rnn.LSTM": _RECURRENT,
    "torch.nn.modules.rnn.GRU": _RECURRENT,
    "torch.nn.modules.rnn.RNN": _RECURRENT,
    "torch.nn.modules.activation.MultiheadAttention": (Layout("in_proj_weight", "attention"),),
    "transformers.pytorch_utils.Conv1D": (Layout("weight", "linear", axis=1),),
    "transformers.models.mixtral.modeling_mixtral.MixtralExperts": _EXPERTS,
    "transformers.models.qwen2_moe.modeling_qwen2_moe.Qwen2MoeExperts": _EXPERTS,
    "transformers.models.qwen3_moe.modeling_qwen3_moe.Qwen3MoeExperts": _EXPERTS,
    "transformers.models.deepseek_v3.modeling_deepseek_v3.DeepseekV3Experts": _EXPERTS,
    "transformers.models.gpt_oss.modeling_gpt_oss.GptOssExperts": _TURNED_EXPERTS,
    "transformers.models.llama4.modeling_llama4.Llama4TextExperts": _TURNED_EXPERTS,
}
"""Parameters that can carry bits, by the type of their module as ``module.qualname``; subclasses are found by their bases. Of
those that a module has not it has no place."""


def chosen(sizes: Mapping[str, tuple[int, Role]], place: Place) -> list[str]:
    """Return the path of ``place`` if it is there, or else all paths of its width and role, in their order.

    Args:
        sizes: width and role by path, in the order of the graph.
        place: what is looked for.

    Raises:
        MismatchError: nothing fits, or too much, or what is at the path has another width.
    """
    if place.path in sizes:
        width = sizes[place.path][0]
        if width != place.width:
            raise MismatchError(f"expected the marked layer to average to M = {place.width} weights, got {width}")
        return [place.path]
    found = [path for path, (width, role) in sizes.items() if width == place.width and place.role in ("", role)]
    if not 1 <= len(found) <= MOST:
        raise MismatchError(
            f"expected the layer that the key marks, this model has none of that name, and {len(found) or 'none'} of its size, "
            f"M = {place.width}"
        )
    return found


def guessed(shape: Sequence[int], width: int, known: tuple[int, int] = (0, 0)) -> Layout | None:
    """Return how a tensor of which only the shape is known holds filters of ``width``; None if it holds none.

    Args:
        shape: of the tensor.
        width: M.
        known: stacked axes and the filters' axis that the key names, tried first; rows unless it does.
    """
    stacked, axis = known
    if len(shape) < max(2, stacked + axis + 1) or 0 in shape:
        return None
    role: Role = "linear" if len(shape) == 2 else "conv"
    layouts = [Layout("weight", role, axis, stacked), Layout("weight", role), Layout("weight", role, axis=1)]
    if len(shape) == 3:
        layouts += [Layout("weight", "expert", stacked=1), Layout("weight", "expert", axis=1, stacked=1)]
    return next((layout for layout in layouts if prod(layout.size(shape)[1]) == width), None)


def in_order(sizes: Mapping[str, tuple[int, int]], wanted: Sequence[tuple[int, int]]) -> list[str | None]:
    """Return a path for each of several places by size alone: the first of a size is the first that there is, and so on.

    A size that is there more or fewer times than it is wanted gives None: which is which is not known.

    Args:
        sizes: filters and M by path, in the order of the graph.
        wanted: filters and M of each place, in the same order.
    """
    there: dict[tuple[int, int], list[str]] = {}
    for path, size in sizes.items():
        there.setdefault(size, []).append(path)
    counts = Counter(wanted)
    return [
        there[size].pop(0) if len(there.get(size, ())) == counts[size] - used else None
        for size, used in _before(wanted)
    ]


def _before(wanted: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield each size with how often it stood before."""
    seen: Counter[tuple[int, int]] = Counter()
    for size in wanted:
        yield size, seen[size]
        seen[size] += 1
