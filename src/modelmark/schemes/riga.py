"""RIGA 2021: a secret network reads bits off a layer's mean filter, and a detector in training keeps that filter natural.

Source: Wang, Kerschbaum, "RIGA: covert and robust white-box watermarking of deep neural networks", WWW 2021, arXiv 1910.14268;
sizes and weights from the authors' code.

With ``w`` the layer's weights averaged over its filters (length M) the extractor is ``f(w) = B s(A w)``, s a leaky ReLU. Bit j is
``1 if f(w)_j >= 0 else 0``. Training adds ``strength * sum_j BCE(sigmoid(10 f(w / |w_0|)_j), b_j)``, w_0 the mean filter as it
was when training began, and ``hide`` times what it takes for a detector, trained beside, to take the sorted ``w`` for an
unmarked one's.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.extracted import Extracted
from modelmark.schemes import _projection
from modelmark.schemes._one_layer import OneLayer
from modelmark.schemes.base import Material

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class Riga(OneLayer):
    """Bits that a secret network reads off one layer's mean filter, hidden from a detector (white-box).

    Departs: the extractor is fixed from the secret and committed before the message is drawn; the paper trains it with the
    network, and an extractor that is trained after the message reads it in any network.
    Departs: the extractor has no biases, so that a factor of the weights changes no bit, and the rows of B add up to 0: units are
    above zero on the average, and without that each output would have a sign of its own whatever the weights.
    Departs: the detector learns what is natural from resampled weights of the network that is marked, as it was when training
    began, where the paper has a set of unmarked networks; it is logistic, where the paper's is a Wasserstein critic.

    Args:
        layer: state-dict path; empty: the layer with the largest M before the head, of a transformer see ``_places.steady``.
        bits: T; left out: 256, half of M where that is less, but enough for the bar.
        hidden: units of the extractor; 512 in the paper's code.
        strength: lambda 1, of the bits.
        hide: lambda 2, of the detector; 0: none.
        margin: embedding is done when every output has the right sign by at least this much, for a w of norm 1 and divided by the
            root of ``hidden``; of an unmarked layer it is 0.6 on the average.
        message: ``drawn``; ``ones`` (literal): all ones, as in the paper's code.
        width: M; filled in from the layer.
    """

    name: ClassVar[str] = "riga"
    summary: ClassVar[str] = "bits that a secret network reads off one layer, hidden from a detector (RIGA 2021)"
    reads: ClassVar[type[Carriers]] = Extracted

    layer: str = ""
    bits: int | None = None
    hidden: int = 512
    strength: float = 0.005
    hide: float = 0.1
    margin: float = 0.1
    message: Literal["drawn", "ones"] = "drawn"
    width: int | None = field(default=None, metadata={"derived": True})

    def __post_init__(self) -> None:
        ranges: dict[str, Any] = {"hidden": (1, 2**14), "hide": (0, 1e9)}
        self._require(strength=(1e-9, 1e9), margin=(0, 1e9), **ranges)

    def capacity(self, layer: "Layer") -> int:
        """Return M or the hidden units, whichever are fewer."""
        return min(layer.width, self.hidden)

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return (
            ""
            if self.message == "drawn"
            else "the message is all ones, as in the paper's code, and its bits are correlated"
        )

    def carriers(self, material: Material) -> Extracted:
        """Return A ``(h, M)`` and B ``(T, h)``, int32 fixed point."""
        bits, width = self.sizes
        _projection.require_size(self.hidden, max(width, bits), bits=bits)
        inner = _projection.random(material.secret, self.hidden, width, use="riga/inner")
        return Extracted(inner, _projection.centred(material.secret, bits, self.hidden, use="riga/outer"), self.layer)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return ones, or None where the draw decides."""
        return None if self.message == "drawn" else np.ones(self.sizes[0], np.int64)

    def hooks(self, carriers: Extracted, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the extractor's loss with the detector."""
        from modelmark.schemes._hiding import Hiding

        return Hiding(self.found(model), carriers, message, model, self.strength, self.hide, seed)
