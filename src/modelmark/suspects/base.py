"""What may be asked of a suspect, and the one verb that answers it. Loads without torch.

A probe is plain data: the carriers of a mark make it, a suspect answers it with numbers, and the same carriers turn the numbers
into scores. A suspect says which kinds of probe it answers; nothing else about it matters to whoever reads a mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelmark.feeds.base import Feed
from modelmark.feeds.prompts import Prompts
from modelmark.suspects.places import Place

ABSTAIN = -1
"""The answer of a suspect that refuses an input; it never matches."""
MISSING = -2
"""The answer that a record does not hold: nobody asked."""

MICRONATS = 10**6
"""The parts of a nat in which a surprisal is given."""
MOST_SURPRISAL = 2**40
"""Parts of a nat that a record may surprise by; what is impossible surprises by so much."""
LABELS_ALONE = "expected log-probabilities of the suspect, which a mark in data is read from, got its labels alone"
LABELS_HINT = (
    "weights with --arch, a folder of transformers, or an address that echoes them; from Python: Likelihoods(function)"
)

Array: TypeAlias = npt.NDArray[Any]


@runtime_checkable
class Sliced(Protocol):
    """Rows that are made when they are asked for, a slice at a time: what repeats a few pictures many times holds them once."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, part: slice, /) -> Array:
        """Return some of them."""
        ...


@dataclass(frozen=True, eq=False)
class Repeated:
    """Each row several times, one after another.

    Args:
        rows: ``(N, *input_shape)``.
        times: how often each is there.
    """

    rows: Array
    times: int

    def __len__(self) -> int:
        return len(self.rows) * self.times

    def __getitem__(self, part: slice, /) -> Array:
        """Return some of them."""
        found: Array = self.rows[np.arange(*part.indices(len(self))) // self.times]
        return found


Inputs: TypeAlias = Array | Sliced


@dataclass(frozen=True, eq=False)
class Ask:
    """Inputs whose labels are wanted: int64 ``(N,)``, ``ABSTAIN`` or ``MISSING`` where there is none.

    Args:
        feed: how the model is fed, and what its answers are.
        inputs: as the feed stores them, ``(N, *input_shape)``.
    """

    feed: Feed
    inputs: Inputs

    def leaves(self) -> list[bytes]:
        """Return what stands for each input in a record of answers."""
        return self.feed.leaves(self.inputs[:])


@dataclass(frozen=True, eq=False)
class AskNext(Ask):
    """Prompts of which is wanted which candidate comes next: its number, int64 ``(N,)``; ``ABSTAIN`` where none does.

    A suspect that scores tokens answers with the candidate that it finds likeliest, ties to the first; one that tells its next
    token alone answers with that. Whatever the second shows the first shows too, so that a choice between them finds no more.

    Args:
        inputs: rows of tokens, int32 ``(N, tokens)``, ``causal.END`` behind the last of each.
        candidates: int32 ``(N, k)``.
        texts: of the prompts; empty: known by number alone.
        words: of the candidates, ``k`` for each prompt.
    """

    candidates: Array
    texts: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, feed: Feed, prompts: Prompts) -> "AskNext":
        """Return the question of some prompts."""
        return cls(feed, prompts.rows, prompts.candidates, prompts.texts, prompts.words)

    @property
    def prompts(self) -> Prompts:
        """What is asked."""
        return Prompts(self.inputs[:], self.candidates, self.texts, self.words)

    def leaves(self) -> list[bytes]:
        """Return what stands for each prompt with its candidates."""
        return self.prompts.leaves()


@dataclass(frozen=True, eq=False)
class AskBeyond(Ask):
    """Pictures with pixels pushed out of the range that a stored picture can hold; labels are wanted.

    Args:
        planes: what is done to each pixel of each picture: +1, -1 or 0 for nothing, int8 ``(N, H, W)``.
        amplitude: what +1 and -1 write, on the scale of 0 to 255.
    """

    planes: Inputs
    amplitude: int


@dataclass(frozen=True, eq=False)
class Weigh:
    """Records whose surprisal is asked: ``-ln p`` in millionths of a nat, int64 ``(N,)``, ``ABSTAIN`` or ``MISSING`` without one.

    Of rows of tokens it is that of all tokens behind the first ``told``, together; of texts that of what follows their first
    ``told`` characters; of any other input that of its label ``told``. What is less surprised by a record finds it likelier.
    Integers, so that a record of answers holds them, and equal ones are equal everywhere.

    Args:
        feed: how the model is fed.
        inputs: as the feed stores them, ``(N, *input_shape)``.
        told: int64 ``(N,)``: how much of each is given and not weighed, or its label.
    """

    feed: Feed
    inputs: Inputs
    told: Array

    @staticmethod
    def heading(told: int) -> bytes:
        """Return what stands before an input's leaf in the bytes of its record: ``told 7`` and a line feed."""
        return b"told %d\n" % told

    def leaves(self) -> list[bytes]:
        """Return what stands for each record in a record of answers."""
        found = self.feed.leaves(self.inputs[:])
        return [self.heading(told) + leaf for told, leaf in zip(self.told.tolist(), found, strict=True)]


@dataclass(frozen=True, eq=False)
class Read:
    """The weights of a place, one row a filter: float64 ``(filters, M)``."""

    place: Place


@dataclass(frozen=True, eq=False)
class ReadMean(Read):
    """The same where the mean filter is enough: all rows, or that mean as the only one, which takes no memory for a layer."""


@dataclass(frozen=True, eq=False)
class Sense:
    """What a place receives for each input, flattened: float64 ``(N, M)``.

    Args:
        place: of ``width`` M.
        feed: how the model is fed.
        inputs: as the feed stores them, ``(N, *input_shape)``.
    """

    place: Place
    feed: Feed
    inputs: Array


@dataclass(frozen=True, eq=False)
class ReadEach:
    """The weights of several places, none read before it is looked at: an object array ``(places,)``.

    Each entry is ``Sliced``, one row a filter: a slice of it is real numbers ``(filters, M)``. It is None where the suspect has
    no such place, or one of another size.

    Args:
        places: in order; where no path is there, they are found by their sizes and their order.
        filters: of each.
    """

    places: tuple[Place, ...]
    filters: tuple[int, ...]


Probe: TypeAlias = Ask | AskBeyond | AskNext | Read | ReadEach | Sense | Weigh
Access: TypeAlias = Literal["black-box", "white-box"]


def access(needs: type[Probe]) -> Access:
    """Return what a probe of this kind takes: the answers of a model, or its weights."""
    return "black-box" if issubclass(needs, Ask | Weigh) else "white-box"


class Suspect(Protocol):
    """Whoever answers probes.

    ``answers`` names the kinds of probe it can answer; ``queries`` counts the inputs whose labels it gave.
    """

    answers: ClassVar[frozenset[type[Probe]]]
    queries: int

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return what the probe wants, once for every place that may be the one meant; the first is the likeliest.

        Raises:
            MismatchError: it cannot answer such a probe, or has no such place.
            SuspectError: what it answers is no answer.
        """
        ...
