"""A suspect's file in the coordinates of a host's file; a block is in memory at a time, and no network is built."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from modelmark.align.transformers import seen
from modelmark.align.transformers.whole import Aligned
from modelmark.blocks.description import Linear, State, Transformer
from modelmark.blocks.finding import described
from modelmark.blocks.views import matrix
from modelmark.errors import MismatchError
from modelmark.suspects.files import WeightFile
from modelmark.suspects.files.factors import multiplied
from modelmark.suspects.rows import real

_ROWS, _INPUTS = 64, 512  # of a layer, that say whether it is where its name says
_SAME = 0.9
"""Cosine of each of them from which on it is; fine-tuning leaves more."""
_CLEAR = 0.05


def aligned(suspect: WeightFile, host: WeightFile, *, restored: bool = True) -> WeightFile | None:
    """Return a suspect's file as it reads in the host's coordinates; None where all stands there, or it cannot be told.

    Args:
        suspect: open.
        host: the committed one, open.
        restored: see ``whole.Aligned``.
    """
    parts = described(host.shapes)
    if parts is None:
        return None
    whole, _ = multiplied(suspect)
    ours, theirs = _Weights(host, lambda name: name), _Weights(whole, _names(parts, whole))
    try:
        found = Aligned(ours, theirs, parts, restored=restored)
    except MismatchError:
        return None
    if not is_moved(ours, theirs, parts):
        return None
    names = {name: theirs.called(name) for name in ours if name in theirs}
    shapes = {
        name: ours[name].shape if name in found.names else tuple(whole.shapes[own]) for name, own in names.items()
    }

    def read(name: str) -> npt.NDArray[np.floating]:
        return found.tensor(name).astype(np.float32)

    return replace(
        whole,
        shapes=shapes,
        read=read,
        again=lambda: read,
        notes=(),
        aliases={},
        stored={},
        rows=frozenset(),
        in_order=False,
    )


def is_moved(ours: State, theirs: State, parts: Transformer) -> bool:
    """Return whether some layer of the suspect is not like the host's of that name, filter by filter and in size."""
    for part in parts.parts:
        for linear in dict.fromkeys((*part.writers, *part.readers, *(each for u in part.units for each in u.readers))):
            own, other = (_some(state, linear) for state in (ours, theirs))
            if own.shape != other.shape:
                return True
            lengths = [np.linalg.norm(each) for each in (own, other)]
            if not all(lengths) or abs(np.log(lengths[0] / lengths[1])) > _CLEAR:
                return True
            if (own * other).sum() / (lengths[0] * lengths[1]) < _SAME:
                return True
    return False


def _some(state: State, linear: Linear) -> npt.NDArray[np.float64]:
    """Return some filters of a layer, and some of their weights."""
    shape = state[linear.weight].shape
    inputs = int(np.prod(shape[:-1] if linear.turned else shape[1:]))
    found = matrix(state, linear, seen.spaced(inputs, _INPUTS))
    return np.nan_to_num(found[seen.spaced(len(found), _ROWS)])


class _Weights(Mapping[str, npt.NDArray[np.floating]]):
    """A file's weights as real numbers, read when they are asked for, under the host's names."""

    def __init__(self, file: WeightFile, called: Callable[[str], str]) -> None:
        self._file, self.called = file, called

    def __getitem__(self, name: str) -> npt.NDArray[np.floating]:
        if name not in self:
            raise KeyError(name)
        return real(self._file.tensor(self.called(name)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.called(name) in self._file.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.shapes)

    def __len__(self) -> int:
        return len(self._file.shapes)


def _names(parts: Transformer, suspect: WeightFile) -> Callable[[str], str]:
    """Return what a suspect calls the host's tensors, where all its names have one beginning more or less."""
    path = parts.blocks[0].norms[0].weight
    longer = next((name.removesuffix(path) for name in suspect.shapes if name.endswith(f".{path}")), "")
    shorter = next((path.removesuffix(name) for name in suspect.shapes if path.endswith(f".{name}")), "")

    def called(name: str) -> str:
        forms = (name, longer + name, name.removeprefix(shorter))
        return next((form for form in forms if form in suspect.shapes), name)

    return called
