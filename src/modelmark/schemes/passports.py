"""Passports 2019: bits in the signs of the scale factors that a secret passport gives a layer's filters.

Source: Fan, Ng, Chan, "Rethinking deep neural network ownership verification: embedding passports to defeat ambiguity attacks",
NeurIPS 2019, arXiv 1909.07830; extended as DeepIPR, TPAMI 2021; the sign loss and its hinge from the authors' code.

A passport layer computes the scale factor of filter i from its weights ``W_i`` and a passport: their product, averaged over a
picture. Bit i is ``1 if W_i p_i >= 0 else 0``, and training adds ``strength * sum_i max(0, hinge - (2 b_i - 1) W_i p_i)``.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.passports import Passports as Rows
from modelmark.errors import UsageError
from modelmark.schemes import _places, _projection
from modelmark.schemes._one_layer import OneLayer
from modelmark.schemes.base import Material

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class Passports(OneLayer):
    """Bits in the signs of scale factors by passports, one a filter (white-box).

    Departs: covered is the signature of all three versions, which sits in the weights. The network keeps its own scale factors
    and does not run through a passport: that a wrong passport spoils its answers is not promised here.
    Departs: the message is drawn after the passports are committed; the paper's is a text of the owner's (``message="text"``).
    Departs: every filter has a passport of its own, one row of near-normal numbers, so that a lot that was opened shows nothing
    of the others; the paper's is one picture for a layer, of which a mean is all that its factors keep.

    Args:
        layer: state-dict path; empty: the layer with the most filters before the head.
        bits: T, at most one a filter; left out: as many as there are filters, at most 256.
        strength: alpha, the weight of the sign loss.
        hinge: how far beyond zero a factor is pulled; 0.1 in the authors' code.
        margin: embedding is done when every factor has the right sign by at least this much.
        message: ``drawn``; ``text`` (literal): the bits of ``text``, eight a letter, then ones.
        text: of the literal variant, ASCII.
        width: M; filled in from the layer.
    """

    name: ClassVar[str] = "passports"
    summary: ClassVar[str] = "signs of scale factors by passports of a layer (Fan et al. 2019)"
    reads: ClassVar[type[Carriers]] = Rows

    layer: str = ""
    bits: int | None = None
    strength: float = 0.1
    hinge: float = 0.5
    margin: float = 0.1
    message: Literal["drawn", "text"] = "drawn"
    text: str = ""
    width: int | None = field(default=None, metadata={"derived": True})

    def __post_init__(self) -> None:
        self._require(strength=(1e-9, 1e9), hinge=(0, 1e9), margin=(0, 1e9))
        if bool(self.text) != (self.message == "text") or not self.text.isascii():
            raise ValueError(f"expected an ASCII text with message=text and no other, got {self.text!r:.80}")
        if self.bits is not None and 8 * len(self.text) > self.bits:
            raise ValueError(f"expected bits for {len(self.text)} letters of eight, got {self.bits}")

    def capacity(self, layer: "Layer") -> int:
        """Return the number of filters."""
        return layer.filters

    def usual(self, layer: "Layer") -> int:
        """Return the number of filters, at most 256."""
        return min(256, max(layer.filters, 8 * len(self.text)))

    def widest(self, model: "nn.Module") -> "Layer":
        """Return the layer with the most filters before the head."""
        from modelmark.networks import layers

        before_head = layers.hidden(model)
        if not before_head:
            raise UsageError(
                "expected a linear or convolution layer before the head, found none", hint="name one: --set layer=..."
            )
        return max(before_head, key=lambda layer: layer.filters)

    def cautions(self, model: "nn.Module", feed: object, *, host: bool) -> list[str]:
        """Return that a transformer's layers take any order, where no host is committed."""
        return _places.movable(model, host=host)

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return (
            ""
            if self.message == "drawn"
            else "the signature was chosen, as in the paper, and passports can be fitted to it"
        )

    def carriers(self, material: Material) -> Rows:
        """Return the passports, int32 fixed point ``(T, M)``, of the first T filters."""
        bits, width = self.sizes
        _projection.require_size(bits, width)
        return Rows(_projection.random(material.secret, bits, width, use="passports"), np.arange(bits), self.layer)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the bits of the text, or None where the draw decides."""
        if self.message == "drawn":
            return None
        found = np.ones(max(self.sizes[0], 8 * len(self.text)), np.int64)
        found[: 8 * len(self.text)] = np.unpackbits(np.frombuffer(self.text.encode(), np.uint8))
        return found[: self.sizes[0]]

    def hooks(self, carriers: Rows, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the sign loss."""
        from modelmark.schemes._signs import Signs

        return Signs(self.found(model), carriers, message, self.strength, self.hinge)
