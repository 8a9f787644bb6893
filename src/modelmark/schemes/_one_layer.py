"""What schemes share whose mark sits in the weights of one layer: which layer, how many bits, and what is refused."""

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self

from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.schemes import _places
from modelmark.schemes.base import Attachments, Drawn

if TYPE_CHECKING:
    from torch import nn

    from modelmark.networks.layers import Layer

ENOUGH = stats.minimum_trials(1.1 * (BAR + CHARGES["offline"]), Fraction(1, 2))
"""Bits with which a key may lose a tenth of its evidence: 159."""


class OneLayer(Drawn):
    """Settings ``layer``, ``bits`` and ``width`` of a mark in one layer, and what follows from a model for them."""

    private: ClassVar[tuple[str, ...]] = ("layer",)
    reading: ClassVar[str] = "sign, zero is one"
    counted: ClassVar[str] = "bits"

    layer: str
    bits: int | None
    width: int | None

    def _require(self, **ranges: tuple[float, float]) -> None:
        """Raise ValueError unless settings lie in their ranges; ``bits`` and ``width`` are at least 1 where they are set."""
        for name, (least, most) in {"bits": (1, 2**16), "width": (1, 2**28), **ranges}.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"expected {name} from {least:g} to {most:g}, got {value:g}")

    def capacity(self, layer: "Layer") -> int:
        """Return how many bits a layer takes at most."""
        raise NotImplementedError

    def usual(self, layer: "Layer") -> int:
        """Return how many bits are put into a layer where nobody said."""
        most = self.capacity(layer)
        return min(256, max(most // 2, min(most, ENOUGH)))

    def widest(self, model: "nn.Module") -> "Layer":
        """Return the layer that is marked where nobody named one."""
        from modelmark.networks import layers

        steady = _places.steady(model, least=self.bits or ENOUGH)
        before_head = layers.hidden(model)
        if steady is None and not before_head:
            raise UsageError(
                "expected a linear or convolution layer before the head, found none", hint="name one: --set layer=..."
            )
        return steady or max(before_head, key=lambda layer: layer.width)  # the first of the widest

    def fitted(self, layer: "Layer") -> dict[str, Any]:
        """Return the settings that follow from the layer alone."""
        return {"width": layer.width}

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> Self:
        """Choose the layer and the number of bits, and check that they fit."""
        from modelmark.networks import layers

        layer = layers.find(model, self.layer.partition("@")[0]) if self.layer else self.widest(model)
        turned = layer.layout.stacked or layer.layout.axis
        named = f"{layer.path}@{layer.layout.stacked}.{layer.layout.axis}" if turned else layer.path
        bits, most = self.usual(layer) if self.bits is None else self.bits, self.capacity(layer)
        if not 1 <= bits <= most:
            raise CapacityError(
                f"expected at most {most} bits of {getattr(self, 'name', 'this scheme')} in {layer.path}, got {bits}",
                hint="choose a wider layer or fewer bits",
            )
        resolved: Self = replace(self, layer=named, bits=bits, **self.fitted(layer))  # type: ignore[type-var]
        return resolved

    def cautions(self, model: "nn.Module", feed: Feed, *, host: bool) -> list[str]:
        """Return what a thief can do for nothing to the layer of this key; see ``_places``."""
        return _places.cautions(model, self.layer.partition("@")[0], host=host)

    @property
    def sizes(self) -> tuple[int, int]:
        """T and M."""
        if self.bits is None or self.width is None:
            raise ValueError("expected a resolved scheme, got one whose bits or width are left open")
        return self.bits, self.width

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless the model has the marked layer in its size; UsageError if it is not trained."""
        from modelmark.networks.trainable import require_trainable

        require_trainable(model, self.found(model).path)

    def found(self, model: "nn.Module") -> "Layer":
        """Return the marked layer of a model.

        Raises:
            MismatchError: there is none of that name and size.
        """
        from modelmark.networks import layers

        try:
            layer = layers.find(model, self.layer.partition("@")[0])
        except UsageError:
            raise MismatchError("expected the layer that the key marks, this model has none of that name") from None
        for name, value in self.fitted(layer).items():
            if value != getattr(self, name):
                raise MismatchError(f"expected the marked layer to have {name} {getattr(self, name)}, got {value}")
        return layer

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return T symbols of alphabet 2."""
        return self.sizes[0], 2
