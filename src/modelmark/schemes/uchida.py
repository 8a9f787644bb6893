"""Uchida et al. 2017: a message in the signs of secret projections of one layer's mean filter.

Source: Uchida, Nagai, Sakazawa, Satoh, "Embedding watermarks into deep neural networks", ICMR 2017, arXiv 1701.04082.

With ``w`` the layer's weights averaged over its output filters (length M) and ``X`` the secret projection (T x M), bit j is
``1 if (X w)_j >= 0 else 0``. Training adds ``strength * sum_j BCE(sigmoid((X w)_j), b_j)``: the sum over bits, not the mean.
"""

import warnings
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.rows import Rows
from modelmark.errors import CapacityError, CapacityWarning, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.schemes import _places, _projection
from modelmark.schemes.base import Attachments, Drawn, Material

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks import layers
    from modelmark.training.hooks import Hooks

_OBJECTIONS = {
    "drawn": "",
    "ones": "the message is all ones, as in the paper, and its bits are correlated",
    "imported": "the message was chosen, not drawn",
}


@dataclass(frozen=True)
class Uchida(Drawn):
    """Bits in the weights of one convolution or linear layer (white-box).

    Departs: the message is drawn after the projection is committed (``message="drawn"``); the paper's is all ones.
    Departs: random projections are sums of twelve uniforms in fixed point, not floating-point normals; rows add up to 0.

    Args:
        layer: state-dict path; empty: the layer with the largest M before the head, of a transformer see ``_places.steady``.
        bits: T; left out: ``min(256, M / 2)``, more in a narrow transformer if the bar takes more.
        projection: ``centred``, random rows that add up to 0; or ``random``, ``direct`` or ``diff``, the paper's three kinds.
        strength: lambda, the weight of the embedding loss.
        margin: embedding is done when every projection has the right sign by at least this much.
        message: ``drawn``; ``ones`` (literal); ``imported`` with a matrix and bits of an older mark.
        width: M; filled in from the layer.
    """

    name: ClassVar[str] = "uchida"
    summary: ClassVar[str] = "bits in the weights of one layer (Uchida et al. 2017)"
    reads: ClassVar[type[Carriers]] = Rows
    private: ClassVar[tuple[str, ...]] = ("layer",)
    reading: ClassVar[str] = "sign, zero is one"
    counted: ClassVar[str] = "bits"

    layer: str = ""
    bits: int | None = None
    projection: Literal["centred", "random", "direct", "diff"] = "centred"
    strength: float = 0.01
    margin: float = 0.02
    message: Literal["drawn", "ones", "imported"] = "drawn"
    width: int | None = field(default=None, metadata={"derived": True})

    def __post_init__(self) -> None:
        for name, value in (("bits", self.bits), ("width", self.width)):
            if value is not None and value < 1:
                raise ValueError(f"expected at least 1 for {name}, got {value}")
        if not 0 < self.strength < float("inf") or not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected strength > 0 and margin >= 0, got {self.strength} and {self.margin}")

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> "Uchida":
        """Choose the layer and the number of bits, and check that they fit."""
        from modelmark.networks import layers

        enough = self.bits or stats.minimum_trials(1.1 * (BAR + CHARGES["offline"]), Fraction(1, 2))
        steady = None if self.layer else _places.steady(model, least=enough)
        layer = layers.find(model, self.layer.partition("@")[0]) if self.layer else steady or _widest(model)
        most = max(min(256, layer.width // 2), enough if steady else 1)
        bits = most if self.bits is None else self.bits
        if self.message == "imported":
            given = len(attachments.get("bits", ()))
            if not given or self.bits not in (None, given):
                raise UsageError(
                    f"expected an imported message of {self.bits or 'some'} bits, got {given}: see --matrix"
                )
            bits = given
        turned = layer.layout.stacked or layer.layout.axis
        named = f"{layer.path}@{layer.layout.stacked}.{layer.layout.axis}" if turned else layer.path
        resolved = replace(self, layer=named, bits=bits, width=layer.width)
        resolved._check_capacity()
        if self.message == "imported":
            resolved.carriers(Material(Secret(bytes(32)), feed, attachments))
        return resolved

    def cautions(self, model: "nn.Module", feed: Feed, *, host: bool) -> list[str]:
        """Return what a thief can do for nothing to the layer of this key; see ``_places``."""
        return _places.cautions(model, self.layer.partition("@")[0], host=host)

    @property
    def _size(self) -> tuple[int, int]:
        """T and M."""
        if self.bits is None or self.width is None:
            raise ValueError("expected a resolved scheme, got one whose bits or width are left open")
        return self.bits, self.width

    def _check_capacity(self) -> None:
        bits, width = self._size
        limits = {"direct": (width, "M"), "diff": (width // 2, "M / 2")}
        limit, rule = limits.get(self.projection, (2 * width, "2 M"))
        if bits < 1:
            raise CapacityError(f"expected a layer wide enough for a bit, {self.layer} averages to M = {width} weights")
        if bits > limit:
            raise CapacityError(
                f"expected at most {limit} bits ({rule}) in {self.layer} with {self.projection} carriers, got {bits}",
                hint="choose a wider layer or fewer bits",
            )
        if bits > width:
            warnings.warn(
                f"{bits} bits in {width} averaged weights: beyond M the message may not fit, and weights inflate",
                CapacityWarning,
                stacklevel=4,
            )

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless the model has the marked layer, with M weights a filter; UsageError if it is not trained."""
        from modelmark.networks.trainable import require_trainable

        require_trainable(model, self._found(model).path)

    def _found(self, model: "nn.Module") -> "layers.Layer":
        from modelmark.networks import layers

        try:
            layer = layers.find(model, self.layer.partition("@")[0])
        except UsageError:
            raise MismatchError("expected the layer that the key marks, this model has none of that name") from None
        if layer.width != self._size[1]:
            raise MismatchError(
                f"expected the marked layer to average to M = {self._size[1]} weights, got {layer.width}"
            )
        return layer

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return T symbols of alphabet 2."""
        return self._size[0], 2

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return _OBJECTIONS[self.message]

    def carriers(self, material: Material) -> Rows:
        """Return X: int32 fixed point ``(T, M)``, or the imported float32 matrix."""
        bits, width = self._size
        _projection.require_size(bits, width)
        if self.message == "imported":
            attached = material.attachments
            matrix = attached.get("matrix", np.empty(0))
            if matrix.shape != (bits, width) or attached["bits"].shape != (bits,):
                raise MismatchError(f"expected a projection of {bits} x {width} and as many bits, got {matrix.shape}")
            return Rows(matrix, self.layer)
        make = {
            "centred": _projection.centred, "random": _projection.random, "direct": _projection.direct,
            "diff": _projection.difference,
        }  # fmt: skip
        return Rows(make[self.projection](material.secret, bits, width), self.layer)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the literal or imported bits, or None where the draw decides."""
        if self.message == "ones":
            return np.ones(self._size[0], np.int64)
        return material.attachments["bits"].astype(np.int64) if self.message == "imported" else None

    def hooks(self, carriers: Rows, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the regulariser."""
        from modelmark.schemes._regulariser import Regulariser

        return Regulariser(self._found(model), carriers.matrix, message, self.strength)

    def settle(self, model: "nn.Module", carriers: Rows, message: npt.NDArray[np.int64]) -> None:
        """Add the least vector to every filter that brings all bits to their margin; see ``_least``."""
        from modelmark.schemes._least import settle

        settle(model, self._found(model), carriers.matrix, message, self.margin)


def _widest(model: "nn.Module") -> "layers.Layer":
    from modelmark.networks import layers

    before_head = layers.hidden(model)
    if not before_head:
        raise UsageError(
            "expected a linear or convolution layer before the head, found none", hint="name one: --set layer=..."
        )
    return max(before_head, key=lambda layer: layer.width)  # the first of the widest
