"""NeuralMark 2025: a secret filter selects weights of one layer, and their pooled means carry bits.

Source: Yao, Song, Jin, "Hashed watermark as a filter: a unified defense against forging and overwriting attacks in neural network
watermarking", AAAI 2026, arXiv 2507.11137; sizes, rounds and loss from the authors' code.

The weights of a layer are filtered in rounds and pooled to ``m`` of length k. Bit j is ``1 if (K m)_j >= 0 else 0``, and training
adds ``strength`` times the mean cross-entropy of ``sigmoid(K m)`` with the bits.
"""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.pooled import MOST_ROUNDS, Pooled, remaining
from modelmark.carriers.rows import row_leaves
from modelmark.errors import CapacityError, MismatchError
from modelmark.feeds.base import Feed
from modelmark.schemes import _projection
from modelmark.schemes._one_layer import OneLayer
from modelmark.schemes.base import Attachments, Material

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class NeuralMark(OneLayer):
    """Bits in pooled weights that a secret filter selects (white-box).

    Departs: the filter comes from the committed secret, with bits of its own for every round; the paper's is the message itself,
    round after round. A filter that depended on the message would be another reading for every draw, and the exact test would go.
    Departs: the message is drawn after filter and rows are committed; the paper's is SHAKE-256 of the rows (``message="hash"``),
    which whoever makes keys may try again and again.

    Args:
        layer: state-dict path; empty: the layer with the most weights before the head.
        bits: T, also the period of the filter; left out: 256.
        pooled: k; left out: 512, fewer where a layer leaves too few weights.
        rounds: how often weights are filtered.
        strength: lambda, of the mean cross-entropy.
        margin: embedding is done when every projection has the right sign by at least this much.
        message: ``drawn``; ``hash`` (literal): of the rows, which is the filter, too.
        width: M; filled in from the layer.
        filters: L; filled in from the layer.
    """

    name: ClassVar[str] = "neuralmark"
    summary: ClassVar[str] = "bits in pooled weights that a secret filter selects (NeuralMark 2025)"
    reads: ClassVar[type[Carriers]] = Pooled

    layer: str = ""
    bits: int | None = None
    pooled: int | None = None
    rounds: int = 4
    strength: float = 1.0
    margin: float = 0.1
    message: Literal["drawn", "hash"] = "drawn"
    width: int | None = field(default=None, metadata={"derived": True})
    filters: int | None = field(default=None, metadata={"derived": True})

    def __post_init__(self) -> None:
        ranges = {"pooled": (1, 2**28), "rounds": (1, MOST_ROUNDS), "filters": (1, 2**28)}
        self._require(strength=(1e-9, 1e9), margin=(0, 1e9), **ranges)

    def capacity(self, layer: "Layer") -> int:
        """Return a bit for every two numbers that may be pooled."""
        return max(1, layer.filters * layer.width >> self.rounds + 1)

    def usual(self, layer: "Layer") -> int:
        """Return 256, or what the layer takes."""
        return min(256, self.capacity(layer))

    def widest(self, model: "nn.Module") -> "Layer":
        """Return the layer with the most weights before the head; of a transformer see ``_places.steady``."""
        from modelmark.networks import layers

        known = layers.hidden(model)
        return max(known, key=lambda layer: layer.filters * layer.width) if known else super().widest(model)

    def fitted(self, layer: "Layer") -> dict[str, Any]:
        """Return the settings that follow from the layer alone."""
        return {"width": layer.width, "filters": layer.filters}

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> "NeuralMark":
        """Choose the layer, the numbers of bits and of pooled numbers, and check that they fit."""
        from dataclasses import replace

        found = super().for_model(model, feed, attachments)
        left = found._most() >> found.rounds
        pooled = max(found.sizes[0], min(512, left // 2)) if self.pooled is None else self.pooled
        if pooled > left:
            raise CapacityError(
                f"expected at most {left} pooled numbers of {found._most()} weights after {found.rounds} rounds, got {pooled}",
                hint="choose a layer of more weights, fewer rounds or fewer bits",
            )
        return replace(found, pooled=pooled)

    def _most(self) -> int:
        return (self.filters or 0) * self.sizes[1]

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return (
            ""
            if self.message == "drawn"
            else "the bits are a hash of the key, as in the paper, and could have been searched for"
        )

    def carriers(self, material: Material) -> Pooled:
        """Return K, int32 fixed point ``(T, k)``, and the filter ``(rounds, T)``.

        Raises:
            MismatchError: the filter leaves too few weights.
        """
        bits, width = self.sizes
        if self.pooled is None or self.filters is None:
            raise ValueError("expected a resolved scheme, got one whose pooled numbers or filters are left open")
        _projection.require_size(max(bits, self.rounds * bits // 16), self.pooled, bits=bits)
        matrix = _projection.random(material.secret, bits, self.pooled, use="neuralmark")
        keep = material.secret.integers("neuralmark/filter", 2, self.rounds * bits).reshape(self.rounds, bits)
        if self.message == "hash":
            keep = np.tile(_hash(matrix), (self.rounds, 1))
        if remaining(keep.astype(np.uint8), self._most()) < self.pooled:
            raise MismatchError(f"expected a filter that leaves {self.pooled} of {self._most()} weights, got fewer")
        return Pooled(matrix, keep.astype(np.uint8), self.layer, width)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the hash, or None where the draw decides."""
        if self.message == "drawn":
            return None
        return _hash(self.carriers(material).matrix)

    def hooks(self, carriers: Pooled, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the cross-entropy of what is pooled."""
        from modelmark.schemes._pooling import Pooling

        return Pooling(self.found(model), carriers, message, self.strength)


def _hash(matrix: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return a bit a row: SHAKE-256 of all rows as big-endian bytes."""
    digest = hashlib.shake_256(b"".join(row_leaves(matrix))).digest(-(-len(matrix) // 8))
    return np.unpackbits(np.frombuffer(digest, np.uint8))[: len(matrix)].astype(np.int64)
