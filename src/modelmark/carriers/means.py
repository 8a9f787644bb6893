"""Inputs of classes, and rows on which the mean of what a layer receives for each class is projected: ``deepsigns``.

Trial ``(layer * classes + class) * bits + row`` is the sign of that row times that layer's mean for that class.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, number, require_queries
from modelmark.carriers.pictures import Picture
from modelmark.carriers.queries import Queries
from modelmark.carriers.rows import parse_rows, real, require_bits, require_revealed, row_leaves
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Array, Probe, Sense
from modelmark.suspects.places import Place

MOST_RECEIVED = 2**25
"""Numbers that all layers receive for all pictures, held in double precision: 256 MiB."""


@dataclass(frozen=True, eq=False)
class Means(Symbols):
    """What the bits sit in.

    Args:
        feed: how the model is fed.
        classes: the carrying classes, ``(s,)``.
        inputs: as the feed stores them, ``(s, n, *input_shape)``.
        projections: int32 fixed point, or float32 as it was imported; one ``(N, M)`` a layer.
        layers: path of each layer.
    """

    probe: ClassVar[type[Probe]] = Sense
    reveals: ClassVar[tuple[str, ...]] = ("layer",)

    feed: Feed
    classes: npt.NDArray[np.int64]
    inputs: Picture
    projections: tuple[npt.NDArray[Any], ...]
    layers: tuple[str, ...]

    alphabet = 2

    @property
    def bits(self) -> int:
        """N, of each class and layer."""
        return len(self.projections[0])

    @property
    def trials(self) -> range:
        """Numbers of all trials."""
        return range(len(self.projections) * len(self.classes) * self.bits)

    @property
    def flat(self) -> Picture:
        """All inputs, class by class, ``(s * n, *input_shape)``."""
        return self.inputs.reshape(-1, *self.feed.input_shape)

    def leaves(self) -> list[bytes]:
        """Return the rows of every projection as big-endian bytes, then each input after a line ``class c``."""
        rows = [leaf for projection in self.projections for leaf in row_leaves(projection)]
        return [*rows, *(leaf for group in self._groups() for leaf in group)]

    def _groups(self) -> list[list[bytes]]:
        return [
            [f"class {c}\n".encode() + leaf for leaf in self.feed.leaves(inputs)]
            for c, inputs in zip(self.classes, self.inputs, strict=True)
        ]

    def probes(self) -> list[Sense]:
        """Return what each layer receives for all inputs."""
        widths = (projection.shape[1] for projection in self.projections)
        return [
            Sense(Place(path, width), self.feed, self.flat) for path, width in zip(self.layers, widths, strict=True)
        ]

    def queries(self) -> Queries:
        """Return for each trial its row, and the digest of the inputs of its class."""
        rows = [row_leaves(projection) for projection in self.projections]
        groups = [hashlib.sha256(b"".join(group)).digest() for group in self._groups()]

        def made(trial: int) -> bytes:
            layer, rest = divmod(trial, len(groups) * self.bits)
            return rows[layer][rest % self.bits] + groups[rest // self.bits]

        return Queries(len(self.trials), made)

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the bits ``A mu >= 0``, ``(layers * s * N,)``; an exact zero reads as 1."""
        found = []
        for received, projection in zip(observed, self.projections, strict=True):
            means = received.reshape(len(self.classes), -1, received.shape[1]).mean(axis=1)
            found.append((means @ real(projection).T >= 0).astype(np.int64).ravel())
        return np.concatenate(found)

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless layers, classes, bits and pictures are as many as there are trials and carriers."""
        require_bits(public)
        classes, bits, widths = number(public, "classes"), number(public, "bits"), _widths(public)
        each, rest = divmod(public.carriers - len(widths) * bits, classes)
        if rest or each < 1 or public.trials != len(widths) * bits * classes:
            raise MismatchError(
                f"expected {len(widths)} x {classes} x {bits} trials and as many pictures a class, got others"
            )
        require_queries(public, len(widths) * classes * each)
        if classes * each * sum(widths) > MOST_RECEIVED:
            raise MismatchError(
                f"expected at most {MOST_RECEIVED} numbers that layers receive by the statement, "
                f"got {classes * each} x {sum(widths)}"
            )

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Means":
        """Return what an opening of all carriers shows; see ``Carriers.opened``."""
        cls.check(public)
        classes, bits, widths = number(public, "classes"), number(public, "bits"), _widths(public)
        layers = tuple(require_revealed(revealed, "layer").split(","))
        if len(layers) != len(widths):
            raise MismatchError(f"expected {len(widths)} layers to be revealed, got {len(layers)}")
        require_all(public, leaves)
        projections = tuple(
            parse_rows([leaves[layer * bits + row] for row in range(bits)], width) for layer, width in enumerate(widths)
        )
        labels, below = split_labels("class", [leaves[i] for i in range(len(widths) * bits, public.carriers)])
        inputs = public.feed.parse(below).reshape(classes, -1, *public.feed.input_shape)
        groups = labels.reshape(classes, -1)
        if (groups != groups[:, :1]).any():
            raise MalformedError("expected the pictures of each class together, got classes mixed")
        return cls(public.feed, groups[:, 0], inputs, projections, layers)


def require_all(public: Public, leaves: Mapping[int, bytes]) -> None:
    """Raise MalformedError unless all carriers are opened."""
    if sorted(leaves) != list(range(public.carriers)):
        raise MalformedError(f"expected all {public.carriers} carriers to be opened, got {len(leaves)}")


def split_labels(word: str, leaves: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], list[bytes]]:
    """Return the numbers in the lines ``word NUMBER``, and what follows each.

    Raises:
        MalformedError: a leaf has no such line.
    """
    numbers, below = [], []
    for leaf in leaves:
        line, _, rest = leaf.partition(b"\n")
        found = re.fullmatch(word.encode() + rb" (0|[1-9][0-9]{0,6})", line)
        if not found:
            raise MalformedError(f"expected pictures after a line {word} NUMBER, got something else")
        numbers.append(int(found[1]))
        below.append(rest)
    return np.array(numbers, np.int64), below


def _widths(public: Public) -> tuple[int, ...]:
    value = public.parameters.get("width")
    if (
        not isinstance(value, tuple)
        or not value
        or not all(type(width) is int and 0 < width < 2**28 for width in value)
    ):
        raise MismatchError(f"expected the widths of the layers in the statement, got {value!r}")
    return value
