"""Which head of a suspect is which of the host's, and in which basis it passes on what it passes on.

In the host's frame the product of a head's queries and keys, and that of what it writes and its values, are the same in every
basis; heads are matched by both. A basis is then fitted where it is so far from the host's that training does not explain it.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelmark.align.transformers import seen
from modelmark.align.transformers.assigning import assigned
from modelmark.align.transformers.seen import Indices
from modelmark.blocks import heads
from modelmark.blocks.description import Attention, Part, State
from modelmark.blocks.views import Changed, Reals, matrix

_NEAR = 0.5
"""Share of a head's weights by which training may move them; beyond, their basis is taken to be another."""
_SIZES = (256, 192, 160, 128, 112, 96, 80, 72, 64, 48, 40, 32, 24, 20, 16, 12, 8, 4)
"""Of heads, tried where nothing says how many there are."""
_TIE = 0.02
_NOTHING = 1e-300
_STEEP = 1e6
"""Condition of a basis that is no basis any more."""


@dataclass(frozen=True, eq=False)
class Heads:
    """Order and bases of a block's heads.

    Args:
        groups: the suspect's group for each of the host's.
        within: the suspect's heads of each group within it.
        asked: by which queries are multiplied, ``(groups, size, size)``.
        passed: by which values are.
    """

    groups: Indices
    within: tuple[Indices, ...]
    asked: Reals
    passed: Reals

    def apply(self, state: Changed, attention: Attention) -> None:
        """Put the heads into the host's order and bases, in place."""
        heads.permute(state, attention, self.groups, self.within)
        heads.turn(state, attention, self.asked, self.passed)


def found(host: State, suspect: State, part: Part, *, centred: bool) -> Heads:
    """Return where the host's heads are in a block that is in the host's frame.

    Args:
        host: read only.
        suspect: read only.
        part: the block; the number of its heads is known.
        centred: whether LayerNorm follows what heads write.
    """
    attention = part.attention
    assert attention is not None
    ours, theirs = (_Seen(state, part, attention, centred=centred) for state in (host, suspect))
    likeness, within = _likeness(ours, theirs, attention)
    groups = assigned(likeness)
    orders = tuple(within[own, int(other)] for own, other in enumerate(groups))
    return Heads(groups, orders, *_bases(ours, theirs.ordered(groups, orders), attention))


def numbered(host: State, suspect: State, part: Part, *, centred: bool) -> Attention | None:
    """Return the heads of a block with their number, found by which makes the host's and the suspect's heads most alike."""
    attention, tried = part.attention, []
    assert attention is not None
    features, shared = len(matrix(host, attention.query)), len(matrix(host, attention.key))
    for size in (size for size in _SIZES if features % size == 0 and shared % size == 0):
        known = replace(attention, heads=features // size, groups=shared // size)
        if known.heads % known.groups == 0:
            ours, theirs = (_Seen(state, part, known, centred=centred) for state in (host, suspect))
            likeness, _ = _likeness(ours, theirs, known)
            tried.append((float(likeness[np.arange(len(likeness)), assigned(likeness)].mean()), known))
    best = max((like for like, _ in tried), default=0.0)  # heads taken together are as alike as each of them
    return next((known for like, known in reversed(tried) if like >= best - _TIE), None)


class _Seen:
    """The four maps of a block's heads as the stream sees them.

    ``query`` ``(groups, each, size, stream)``, ``out`` ``(groups, each, stream, size)``, ``key`` and ``value`` ``(groups, size,
    stream)``.
    """

    def __init__(self, state: State, part: Part, attention: Attention, *, centred: bool) -> None:
        groups, each = attention.groups, attention.heads // attention.groups
        width = len(matrix(state, attention.query)) // attention.heads
        self.query = seen.read(state, part, attention.query).reshape(groups, each, width, -1)
        self.key = seen.read(state, part, attention.key).reshape(groups, width, -1)
        self.value = seen.read(state, part, attention.value).reshape(groups, width, -1)
        out = seen.written(state, attention.out, centred=centred)
        self.out = out.reshape(len(out), groups, each, width).transpose(1, 2, 0, 3)

    def ordered(self, groups: Indices, within: tuple[Indices, ...]) -> "_Seen":
        """Return the same with groups, and heads within them, in another order."""
        made = object.__new__(_Seen)
        made.query = np.stack([self.query[group][order] for group, order in zip(groups, within, strict=True)])
        made.out = np.stack([self.out[group][order] for group, order in zip(groups, within, strict=True)])
        made.key, made.value = self.key[groups], self.value[groups]
        return made


def _likeness(ours: _Seen, theirs: _Seen, attention: Attention) -> tuple[Reals, dict[tuple[int, int], Indices]]:
    """Return how alike groups are, ``(host's, suspect's)``, and how the heads of each pair of groups belong together."""
    likeness = np.zeros((attention.groups, attention.groups))
    within = {}
    lengths = [(_sizes(each.query, each.key), _sizes(each.out.swapaxes(-1, -2), each.value)) for each in (ours, theirs)]
    for own in range(attention.groups):
        for other in range(attention.groups):
            asked = _products(ours.query[own], theirs.query[other], ours.key[own] @ theirs.key[other].T)
            passed = _products(
                ours.out[own].swapaxes(-1, -2),
                theirs.out[other].swapaxes(-1, -2),
                ours.value[own] @ theirs.value[other].T,
            )
            pair = (_over(asked, lengths[0][0][own], lengths[1][0][other])) + (
                _over(passed, lengths[0][1][own], lengths[1][1][other])
            )
            order = assigned(pair)
            within[own, other] = order
            likeness[own, other] = pair[np.arange(len(pair)), order].mean() / 2
    return likeness, within


def _products(ours: Reals, theirs: Reals, shared: Reals) -> Reals:
    """Return ``<a^T s, b^T t>`` for each head a of ours and b of theirs, ``shared`` being ``s t^T``; ``(each, each)``."""
    crossed = np.einsum("asd,btd->abst", ours, theirs, optimize=True)
    found: Reals = np.einsum("abst,st->ab", crossed, shared)
    return found


def _sizes(heads_: Reals, shared: Reals) -> Reals:
    """Return the length of each head's product with what its group shares, ``(groups, each)``."""
    inner = np.einsum("gesd,getd->gest", heads_, heads_)
    both = np.einsum("gsd,gtd->gst", shared, shared)
    found: Reals = np.sqrt(np.maximum(np.einsum("gest,gst->ge", inner, both), 0))
    return found


def _over(products: Reals, ours: Reals, theirs: Reals) -> Reals:
    sizes = np.outer(ours, theirs)
    return np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0)


def _bases(ours: _Seen, theirs: _Seen, attention: Attention) -> tuple[Reals, Reals]:
    """Return by what queries and values are multiplied; the identity where that is near enough, or where nothing is near."""
    width = ours.key.shape[1]
    asked, passed = (np.stack([np.eye(width)] * attention.groups) for _ in range(2))
    for group in range(attention.groups):
        own, other = (ours.query[group], ours.key[group]), (theirs.query[group], theirs.key[group])
        if attention.basis != "none" and _far(own, other):
            made = (_paired if attention.basis == "pairs" else _fitted)(own, other)
            asked[group] = np.eye(width) if _far(own, _put(other, made)) else made
        own, other = ((each.out[group].swapaxes(-1, -2), each.value[group]) for each in (ours, theirs))
        if _far(own, other):
            made = _fitted(own, other)
            passed[group] = np.eye(width) if _far(own, _put(other, made)) else np.linalg.inv(made).T.astype(np.float64)
    return asked, passed


def _far(ours: tuple[Reals, Reals], theirs: tuple[Reals, Reals]) -> bool:
    """Return whether training does not explain how far two maps of a group are from the host's."""
    return any(np.linalg.norm(b - a) > _NEAR * np.linalg.norm(a) for a, b in zip(ours, theirs, strict=True))


def _put(maps: tuple[Reals, Reals], basis: Reals) -> tuple[Reals, Reals]:
    """Return a group's maps in another basis, the shared one by the inverse transposed."""
    return np.einsum("st,etd->esd", basis, maps[0]), np.linalg.inv(basis).T @ maps[1]


def _fitted(ours: tuple[Reals, Reals], theirs: tuple[Reals, Reals]) -> Reals:
    """Return A for which A times their first map is nearest to our first, and its inverse transposed times the second.

    Args:
        ours: of a group's heads ``(each, size, stream)``, and what they share, ``(size, stream)``.
        theirs: likewise.
    """
    heads_, shared = zip(ours, theirs, strict=True)
    first = _solved(np.einsum("esd,etd->st", heads_[1], heads_[1]), np.einsum("esd,etd->st", *heads_))
    second = _solved(shared[0] @ shared[0].T, shared[1] @ shared[0].T).T
    made: Reals = (first + second) / 2
    steep = not np.isfinite(made).all() or np.linalg.cond(made) > _STEEP
    return np.eye(len(made)) if steep else made


def _solved(square: Reals, right: Reals) -> Reals:
    """Return ``right @ square^-1``; the least squares where it has none."""
    found: Reals = np.linalg.lstsq(square.T, right.T, rcond=1e-10)[0].T
    return found


def _paired(ours: tuple[Reals, Reals], theirs: tuple[Reals, Reals]) -> Reals:
    """Return the same where each pair of features, half a head apart, may be turned and scaled alone."""
    half = ours[1].shape[0] // 2
    queries, other_queries, keys, other_keys = (
        each[..., :half, :] + 1j * each[..., half:, :] for each in (ours[0], theirs[0], ours[1], theirs[1])
    )
    turn = _direction((queries * other_queries.conj()).sum(axis=(0, 2)))
    turn = turn + _direction((keys * other_keys.conj()).sum(axis=1))
    grown = _squares(queries) * _squares(other_keys)
    shrunk = _squares(other_queries) * _squares(keys)
    sizes = np.where((grown > 0) & (shrunk > 0), grown / np.maximum(shrunk, _NOTHING), 1.0) ** 0.25
    factor = np.where(np.abs(turn) > 0, _direction(turn), 1) * sizes
    made, places = np.zeros((2 * half, 2 * half)), np.arange(half)
    made[places, places] = made[places + half, places + half] = factor.real
    made[places + half, places], made[places, places + half] = factor.imag, -factor.imag
    return made


def _direction(numbers: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    return numbers / np.maximum(np.abs(numbers), _NOTHING)


def _squares(numbers: npt.NDArray[np.complex128]) -> Reals:
    """Return the sum of squares of each row, of all heads together."""
    found: Reals = (np.abs(numbers) ** 2).sum(axis=-1)
    return found.sum(axis=0) if found.ndim > 1 else found
