"""Bits that each sit in the signs of many weights of many layers: ``spread``. Loads without torch.

A leaf is one run of filters of one layer with a seed. AES-256 in counter mode under the seed gives each weight of the run a
word of 16 bits: the lowest is the weight's sign, the rest says to which bit it belongs. Bit t is 1 where the sum of sign times v
over its weights is not negative, with v taken from the suspect and the host alone: the rules are listed in ``RULES``.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from modelmark import canonical
from modelmark.carriers.base import Public, Symbols, number
from modelmark.carriers.queries import Queries
from modelmark.carriers.room import Room
from modelmark.carriers.rows import require_bits
from modelmark.carriers.summing import Places, Signs, block_sums
from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.suspects.base import Array, Probe, ReadEach, Suspect
from modelmark.suspects.places import Place

MOST_BITS = 2**15
"""What 15 bits of a word can tell apart."""
MOST_WEIGHTS = 2**28
"""Of all runs together, that a judge reads for one opening; a key marks 2**26 unless told otherwise."""
_BLOCK = 2**18  # weights looked at together
_WORD = np.dtype("<u2")

RULES = ("weights", "signs")
"""How v is taken from the suspect's weights w alone: scaled to one mean square a filter, or their signs."""
HOST_RULES = (
    "differences",
    "signs of differences",
    "scaled differences",
    "signs of scaled differences",
    "signs of differences, turned",
    "signs of small differences",
)
"""And with the host's weights h: of w - h, or of w - c h with c the median of w / h in each filter; zeros of w are left out.

Turned are marks where buyers of several copies took the side of the fewer. Small differences, below ``SMALL`` root mean squares
of the host's filter, are left where most weights were drawn anew and trained.
"""


@dataclass(frozen=True)
class Run:
    """Filters of one layer, one after the other, that carry bits.

    Args:
        layer: of the place; see ``Place.named``.
        filters: of the whole layer.
        width: M, weights of one filter.
        first: number of the first filter.
        count: of filters.
        seed: 32 bytes that say where each weight belongs.
    """

    layer: str
    filters: int
    width: int
    first: int
    count: int
    seed: bytes

    def encode(self) -> bytes:
        """Return the leaf: canonical JSON."""
        return canonical.encode({**vars(self), "seed": self.seed.hex()})

    @classmethod
    def parse(cls, leaf: bytes) -> "Run":
        """Return the run of a leaf.

        Raises:
            MalformedError: it is none.
        """
        value = canonical.decode(leaf, what="a run of filters")
        whole = ("filters", "width", "first", "count")
        right = (
            isinstance(value, dict)
            and value.keys() == cls.__dataclass_fields__.keys()
            and all(type(value[name]) is int and 0 <= value[name] <= 2**40 for name in whole)
            and all(isinstance(value[name], str) for name in ("layer", "seed"))
        )
        if not right or not 1 <= value["count"] <= value["filters"] - value["first"] or value["width"] < 1:
            raise MalformedError("expected a run of filters as carrier, got something else")
        try:
            seed = bytes.fromhex(value["seed"])
        except ValueError:
            seed = b""
        if len(seed) != 32 or value["seed"] != seed.hex():
            raise MalformedError("expected a seed of 32 bytes in a carrier, got something else")
        return cls(**(value | {"seed": seed}))

    @property
    def weights(self) -> int:
        """How many it has."""
        return self.count * self.width

    def blocks(self) -> Iterator[slice]:
        """Yield slices of the layer's filters that cover the run, of some 250,000 weights at most or one filter."""
        step = max(1, _BLOCK // self.width)
        for start in range(self.first, self.first + self.count, step):
            yield slice(start, min(start + step, self.first + self.count))

    def assigned(self, block: slice, bits: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return for the weights of a block the number of the bit and the sign, +1 or -1, both ``(filters * M,)``."""
        where, sign = self.placed(block, bits, Room())
        return where.astype(np.int64, copy=False), sign.astype(np.float64)

    def placed(self, block: slice, bits: int, room: Room) -> tuple[Places, Signs]:
        """Return the same as the types that indices and signs have, in arrays of a room."""
        start, count = (block.start - self.first) * self.width, (block.stop - block.start) * self.width
        words = stream(self.seed, start, count, room=room)
        number = room.array("bit", count, np.uint32)
        np.right_shift(words, 1, out=number)
        number *= bits
        number >>= 15
        where, sign = room.array("where", count, np.intp), room.array("sign", count, np.int8)
        where[:] = number
        np.bitwise_and(words, 1, out=sign, casting="unsafe")
        sign <<= 1
        sign -= 1
        return where, sign


def stream(seed: bytes, start: int, count: int, use: int = 0, room: Room | None = None) -> npt.NDArray[np.uint16]:
    """Return ``count`` words of 16 bits from word ``start`` on: AES-256 in counter mode over zeros, little-endian words.

    Args:
        seed: 32 bytes.
        start: number of the first word.
        count: of words.
        use: first eight bytes of the counter block, big-endian; the last eight count blocks.
        room: where to put them, as words of this use.
    """
    before, whole = start % 8, (start % 8 + count) * _WORD.itemsize
    counter = use.to_bytes(8, "big") + (start // 8).to_bytes(8, "big")
    encryptor = Cipher(algorithms.AES(seed), modes.CTR(counter)).encryptor()
    room = room or Room()
    zeros, made = room.array("zeros", whole, np.uint8), room.array(f"words {use}", whole + 15, np.uint8)
    zeros[:] = 0
    encryptor.update_into(zeros.data, made.data)
    return made[:whole].view(_WORD)[before:].astype(np.uint16, copy=False)


@dataclass(frozen=True, eq=False)
class Runs(Symbols):
    """Runs of filters, and the bits that their weights carry.

    Args:
        runs: in the order of the leaves.
        bits: T.
        host: what the committed host answers to the same probe, where it is at hand; ``against`` puts it there.
    """

    probe: ClassVar[type[Probe]] = ReadEach

    runs: tuple[Run, ...]
    bits: int
    host: Array | None = None

    alphabet = 2
    own_rules: ClassVar[int] = len(RULES)
    most_rules: ClassVar[int] = len(RULES + HOST_RULES)

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the bits."""
        return range(self.bits)

    @property
    def rules(self) -> tuple[str, ...]:
        """In which ways it is read, each a reading."""
        return RULES if self.host is None else RULES + HOST_RULES

    def against(self, host: Suspect) -> "Runs":
        """Return the carriers as they are read with the committed host at hand.

        Raises:
            MismatchError: the host has none of the places.
        """
        (probe,) = self.probes()
        return replace(self, host=host.observe(probe)[0])

    def leaves(self) -> list[bytes]:
        """Return the runs."""
        return [run.encode() for run in self.runs]

    def probes(self) -> list[ReadEach]:
        """Return one question: the filters of every layer."""
        places = tuple(Place.named(run.layer, run.width) for run in self.runs)
        return [ReadEach(places, tuple(run.filters for run in self.runs))]

    def queries(self) -> Queries:
        """Return for each bit its number and the SHA-256 of all leaves, one after another, on which its weights depend."""
        whole = hashlib.sha256(b"".join(self.leaves())).digest()
        return Queries(self.bits, lambda bit: b"bit %d\n" % bit + whole)

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the bits by the first rule."""
        return self.every(observed)[0]

    def every(self, observed: Sequence[Array]) -> list[npt.NDArray[np.int64]]:
        """Return the bits by each of ``rules``, ``(T,)`` each; an exact zero reads as 1.

        Raises:
            SuspectError: no weight of the suspect is a number.
        """
        return [(each >= 0).astype(np.int64) for each in self.sums(observed[0])]

    def sums(self, suspect: Array) -> npt.NDArray[np.float64]:
        """Return the sum of sign times v for each rule and bit, ``(rules, T)``.

        Args:
            suspect: what answered the probe; weights of layers that it has not are left out.
        """
        room, hosts = Room(), [None] * len(self.runs) if self.host is None else self.host
        sums = np.zeros((len(self.rules), self.bits))
        for run, sheet, host in zip(self.runs, suspect, hosts, strict=True):
            for block in run.blocks() if sheet is not None else ():
                known = None if host is None else host[block]
                found = block_sums(*run.placed(block, self.bits, room), self.bits, sheet[block], known, room)
                sums[: len(found)] += found  # a layer that the host lacks has the first two
        if not sums.any():
            raise SuspectError("expected weights from the suspect, got none but zeros and what is no number")
        return sums

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless the symbols are bits, as many as the statement says."""
        require_bits(public)
        if number(public, "bits", MOST_BITS) != public.trials:
            raise MismatchError(f"expected {public.parameters['bits']} trials by the bits, got {public.trials}")

    @classmethod
    def queries_per_trial(cls, public: Public) -> int:
        """Return 1."""
        return 1

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, str]) -> "Runs":
        """Return the runs that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        if sorted(leaves) != list(range(public.carriers)):
            raise MismatchError(
                f"expected all {public.carriers} carriers, whose weights every bit shares, got {len(leaves)}"
            )
        made = cls(tuple(Run.parse(leaves[index]) for index in range(public.carriers)), public.trials)
        if made.weights > MOST_WEIGHTS:
            raise MismatchError(f"expected at most {MOST_WEIGHTS} weights in all carriers, got {made.weights}")
        return made

    @property
    def weights(self) -> int:
        """N: how many weights carry bits."""
        return sum(run.weights for run in self.runs)
