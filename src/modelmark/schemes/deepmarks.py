"""DeepMarks 2019: bits on orthogonal rows of one layer's mean filter, and codes that tell who averaged copies.

Source: Chen, Rouhani, Fu, Zhao, Koushanfar, "DeepMarks: a secure fingerprinting framework for digital rights management of deep
learning models", ICMR 2019, arXiv 1804.03648.

With ``w`` the layer's weights averaged over its filters (length M) and ``R`` orthogonal rows (T x M), training adds
``strength * |R w - a (2 b - 1)|^2``, so that each projection comes to lie at ``a`` or ``-a``; bit j is 1 where it is at least 0.
Averaged copies keep the bits that all of them have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.rows import UNIT, Rows, real
from modelmark.errors import MismatchError
from modelmark.key.secret import Secret
from modelmark.schemes import _designs, _projection
from modelmark.schemes._one_layer import OneLayer
from modelmark.schemes.base import Material
from modelmark.suspects.base import Array

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True, eq=False)
class Coded(Rows):
    """Rows of the literal variant, which say whose codes are in a suspect.

    Args:
        order: of the plane.
        amplitude: of a projection in one copy.
    """

    order: int = 5
    amplitude: float = 1.0

    def users(self, observed: Sequence[Array]) -> list[int]:
        """Return whose copies were averaged: a bit is left where the projection lost less than a share of ``1 / order``."""
        found = real(self.matrix) @ observed[0].mean(axis=0) / self.amplitude
        return _designs.users((found > 1 - 1 / self.order).astype(np.int64), self.order)

    def note(self, observed: Sequence[Array]) -> str:
        """Return what the code says."""
        found = self.users(observed)
        if not 1 <= len(found) <= self.order:
            return f"users by the code: none, or more than the {self.order} that it tells apart"
        return f"users by the code: {', '.join(map(str, found))}"


@dataclass(frozen=True)
class DeepMarks(OneLayer):
    """Bits on orthogonal rows of one layer's mean filter (white-box).

    Departs: the message is drawn after the rows are committed (``message="drawn"``); the paper's is a user's code.
    Departs: rows are those of a Hadamard matrix at secret places with secret signs, exact integers of one length; the paper's
    come from a random basis times a random projection, in floating point.
    Departs: squared errors are summed, not averaged, so that a longer message is pulled no weaker.

    Args:
        layer: state-dict path; empty: the layer with the largest M before the head, of a transformer see ``_places.steady``.
        bits: T; left out: 256, half the rows where that is less, but enough for the bar.
        strength: of the sum of squared errors.
        amplitude: a, of every projection; the paper's is 1.
        margin: embedding is done when every projection has the right sign by at least this much.
        message: ``drawn``; ``code`` (literal): that of ``user`` in a plane of ``order``.
        order: q of the literal code: ``q^2 + q + 1`` users and bits, any q of them told apart.
        user: whose literal code it is.
        width: M; filled in from the layer.
    """

    name: ClassVar[str] = "deepmarks"
    summary: ClassVar[str] = "bits on orthogonal rows, codes against averaged copies (DeepMarks 2019)"
    reads: ClassVar[type[Carriers]] = Rows

    layer: str = ""
    bits: int | None = None
    strength: float = 0.01
    amplitude: float = 1.0
    margin: float = 0.5
    message: Literal["drawn", "code"] = "drawn"
    order: int = 5
    user: int = 0
    width: int | None = field(default=None, metadata={"derived": True})

    def __post_init__(self) -> None:
        self._require(strength=(1e-9, 1e9), amplitude=(1e-9, 1e9), margin=(0, 1e9))
        if self.order not in _designs.ORDERS or not 0 <= self.user < _designs.points(self.order):
            raise ValueError(
                f"expected an order of {_designs.ORDERS} and a user of its plane, got {self.order}, {self.user}"
            )
        if self.message == "code" and self.bits not in (None, _designs.points(self.order)):
            raise ValueError(f"expected the {_designs.points(self.order)} bits of the code, got {self.bits}")

    def capacity(self, layer: "Layer") -> int:
        """Return the largest power of two within M: so many rows are orthogonal."""
        return _length(layer.width)

    def usual(self, layer: "Layer") -> int:
        """Return the length of the code, or what a drawn message takes."""
        return _designs.points(self.order) if self.message == "code" else super().usual(layer)

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return "" if self.message == "drawn" else "the code was chosen for a user, as in the paper, not drawn"

    def carriers(self, material: Material) -> Rows:
        """Return R: int32 fixed point ``(T, M)``.

        Raises:
            MismatchError: more rows than are orthogonal.
        """
        bits, width = self.sizes
        _projection.require_size(bits, width)
        if bits > _length(width):
            raise MismatchError(f"expected at most {_length(width)} orthogonal rows in {width} weights, got {bits}")
        rows = orthogonal(material.secret, bits, width)
        if self.message == "drawn":
            return Rows(rows, self.layer)
        return Coded(rows, self.layer, order=self.order, amplitude=self.amplitude)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the user's code, or None where the draw decides."""
        if self.message == "drawn":
            return None
        if self.bits != _designs.points(self.order):
            raise MismatchError(f"expected the {_designs.points(self.order)} bits of the code, got {self.bits}")
        return _designs.codes(self.order)[self.user]

    def hooks(self, carriers: Rows, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the squared errors."""
        from modelmark.schemes._squares import Squares

        return Squares(self.found(model), carriers.matrix, message, self.strength, self.amplitude)


def orthogonal(secret: Secret, rows: int, width: int) -> npt.NDArray[np.int32]:
    """Return orthogonal rows of one length, ``(rows, width)``: ``UNIT`` or ``-UNIT`` in 2^k columns, 0 in the others."""
    length = _length(width)
    places = secret.permutation("deepmarks/places", width)[:length]
    signs = 2 * secret.integers("deepmarks/signs", 2, length) - 1
    chosen = secret.permutation("deepmarks/rows", length)[:rows]
    shared = chosen[:, None] & np.arange(length)
    for half in (
        16,
        8,
        4,
        2,
        1,
    ):  # of Sylvester's matrix: whether the numbers of row and column share an odd count of ones
        shared ^= shared >> half
    matrix = np.zeros((rows, width), np.int32)
    matrix[:, places] = UNIT * signs * (1 - 2 * (shared & 1))
    return matrix


def _length(width: int) -> int:
    """Return the largest power of two within a width."""
    return 1 << (width.bit_length() - 1)
