"""A whole suspect in its host's coordinates, a part at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelmark.align.transformers import frame as frames
from modelmark.align.transformers import heads, units
from modelmark.align.transformers.frame import Frame
from modelmark.blocks.description import Part, State, Transformer
from modelmark.blocks.views import Changed
from modelmark.errors import MismatchError

_CERTAIN = 0.9
"""Cosine from which on what lies outside of blocks says all of the frame, if it has enough numbers."""
_TIMES = 4
"""Numbers in widths of the stream that a basis takes; an order takes one."""
_ROUNDS = 12
"""Of looking again with the blocks."""

Array = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Inner:
    """What stands where within a part."""

    heads: heads.Heads | None
    units: tuple[units.Order, ...]

    def apply(self, state: Changed, part: Part) -> None:
        """Put heads and units into the host's order, in place."""
        if self.heads is not None and part.attention is not None:
            self.heads.apply(state, part.attention)
        for order, each in zip(self.units, part.units, strict=True):
            order.apply(state, each)


class Aligned:
    """A suspect's weights in the coordinates of its host, which are found from both and nothing else.

    Args:
        host: the committed one; read only.
        suspect: of the same names; read only.
        described: the host's parts.
        restored: whether what LayerNorm throws away is put back where it is out of proportion. The mean over the filters that
            write the stream is thrown away, and may be where a mark is.

    Raises:
        MismatchError: the suspect lacks a part, or has a stream or heads of another size.
    """

    def __init__(self, host: State, suspect: State, described: Transformer, *, restored: bool = True) -> None:
        self._host, self._suspect, self._restored = host, suspect, restored
        require_alike(host, suspect, described)
        self._frame = frames.found(frames.outside(host, suspect, described), described)
        self.described = self._numbered(described)
        self._frame = self._refined().completed
        self._last: tuple[str, dict[str, Array]] = ("", {})
        self._parts = {name: part for part in self.described.parts for name in names(part)}
        self.names = frozenset(self._parts)

    @property
    def frame(self) -> Frame:
        """Order, basis and size of the stream."""
        return self._frame

    def part(self, part: Part) -> dict[str, Array]:
        """Return the weights of a part in the host's coordinates, by name."""
        state = self._framed(part)
        inner = self._found(part, state)
        inner.apply(state, part)
        if self._frame.basis is None:
            frames.level(state, self._host, part)
        centred = self.described.centred and (part is not self.described.outside or bool(part.norms))
        if self._restored:
            frames.restore_means(state, self._host, part, centred=centred)
        return state

    def tensor(self, name: str) -> Array:
        """Return one tensor in the host's coordinates; one whose part is not known as it is."""
        part = self._parts.get(name)
        if part is None:
            return self._suspect[name]
        if self._last[0] != part.path or not self._last[1]:
            self._last = part.path, self.part(part)
        return self._last[1][name]

    def _framed(self, part: Part) -> dict[str, Array]:
        state = {name: self._suspect[name] for name in names(part)}
        self._frame.apply(state, self._host, part)
        return state

    def _inner(self, part: Part) -> Inner:
        return self._found(part, self._framed(part))

    def _found(self, part: Part, state: State) -> Inner:
        attention = part.attention
        known = attention is not None and attention.heads > 0
        centred = self.described.centred
        return Inner(
            heads.found(self._host, state, part, centred=centred) if known else None,
            tuple(units.found(self._host, state, part, each, centred=centred) for each in part.units),
        )

    def _numbered(self, described: Transformer) -> Transformer:
        """Return the parts with the number of heads, which the first block says."""
        self.described = described
        first = described.blocks[0]
        if first.attention is None or first.attention.heads:
            return described
        known = heads.numbered(self._host, self._framed(first), first, centred=described.centred)
        if known is None or not known.heads:
            return described
        blocks = [
            replace(block, attention=replace(block.attention, heads=known.heads, groups=known.groups))
            if block.attention
            else block
            for block in described.blocks
        ]
        return replace(described, parts=(described.outside, *blocks))

    def _refined(self) -> Frame:
        """Return the frame, looked for again with the blocks where the outside does not say all of it."""
        outside = frames.outside(self._host, self._suspect, self.described)
        frame = self._frame
        enough = self.described.width * (1 if frame.basis is None else _TIMES)
        if sum(ours.shape[1] for ours, _ in outside) >= enough and frame.like >= _CERTAIN:
            return frame
        for _ in range(_ROUNDS):
            self._frame = frame
            pairs = [*outside]
            for block in self.described.blocks:
                state = {name: self._suspect[name] for name in names(block)}
                self._inner(block).apply(state, block)
                pairs += frames.within(self._host, state, block, centred=self.described.centred)
            again = frames.found(pairs, self.described)
            if _same(again, frame):
                break
            frame = again
        return frame


def _same(one: Frame, other: Frame) -> bool:
    if one.order is not None and other.order is not None:
        return bool((one.order == other.order).all())
    return one.basis is not None and other.basis is not None and np.allclose(one.basis, other.basis, atol=1e-6)


def names(part: Part) -> list[str]:
    """Return the names of a part's tensors."""
    linears = [
        *part.writers,
        *part.readers,
        *(linear for each in part.units for linear in (*each.makers, *each.readers)),
    ]
    both = [name for linear in linears for name in (linear.weight, linear.bias)]
    both += [name for norm in part.norms for name in (norm.weight, norm.bias)]
    return list(dict.fromkeys(filter(None, both)))


def require_alike(host: State, suspect: State, described: Transformer) -> None:
    """Raise MismatchError unless the suspect has the host's tensors; units, tokens and classes may be more or fewer."""
    counted = set(names(described.outside))
    for each in (each for part in described.parts for each in part.units):
        counted |= {name for linear in each.makers for name in (linear.weight, linear.bias)}
        counted |= {linear.weight for linear in each.readers}
    for name in (name for part in described.parts for name in names(part)):
        if name not in suspect:
            raise MismatchError(f"expected a suspect of the host's architecture, got one without {name}")
        ours, theirs = host[name].shape, suspect[name].shape
        differing = sum(own != other for own, other in zip(ours, theirs, strict=False))
        if len(ours) != len(theirs) or differing > (name in counted):
            raise MismatchError(f"expected {name} of {tuple(ours)}, got {tuple(theirs)}")


def of_states(host: State, suspect: State, described: Transformer, *, restored: bool = True) -> Mapping[str, Array]:
    """Return all of a suspect's weights in the host's coordinates; see ``Aligned``."""
    aligned = Aligned(host, suspect, described, restored=restored)
    found: dict[str, Array] = {}
    for part in aligned.described.parts:
        found |= aligned.part(part)
    return found
