"""``spread``: every bit in the signs of many weights of many layers, by additions too small to cost anything.

Source: the additive spread spectrum of Cox, Kilian, Leighton and Shamoon, "Secure spread spectrum watermarking for
multimedia", IEEE Transactions on Image Processing 6 (12), 1997, in the weights of a network; the rules of reading are our own.

A weight w of bit t becomes ``w + r s (sign * bit)``, s the deviation of its layer's weights; layers take more or less than r
by the root of their size. What decides how much is left after an attack is N r^2, for N weights.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.spread import MOST_BITS, MOST_WEIGHTS, Run, Runs
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.key.secret import Secret
from modelmark.schemes import _places, _pushing
from modelmark.schemes.base import Attachments, Drawn, Material

if TYPE_CHECKING:
    from torch import nn

    from modelmark.schemes._in_networks import Sheet
    from modelmark.training.hooks import Hooks
    from modelmark.training.task import Task

POWER = 1500.0
"""N r^2 of a mark."""
LARGEST = 0.15
"""The largest r that is chosen, tried on a network of 60,000 weights."""
MOST, FULL = 1024, 150_000
"""Bits that are chosen at most, and weights that carry so many; smaller networks carry fewer."""
TARGET = 0.3
"""Deviations of chance that the weakest bit is given where it has less: a little above ``margin``, as types round."""
KINDS = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
"""Types that can be marked, by torch's names."""

Size = tuple[str, int, int]
"""A layer as a place names it, its filters and M."""


@dataclass(frozen=True)
class Spread(Drawn):
    """Bits in the signs of many weights of many layers (white-box).

    Args:
        bits: T; left out: 1,024, fewer in networks too small for them.
        strength: r, in deviations of each layer's weights; left out: what makes N r^2 1,500, at most 0.15.
        margin: deviations of chance by which the weakest bit is read blind when embedding is done.
        weights: N at most; of larger networks a secret run of filters of each layer is marked.
    """

    name: ClassVar[str] = "spread"
    summary: ClassVar[str] = "bits in the signs of many weights of many layers; needs neither data nor training"
    reads: ClassVar[type[Carriers]] = Runs
    reading: ClassVar[str] = "sign of the sum over a bit's weights, zero is one; exact zeros of the suspect left out"
    counted: ClassVar[str] = "bits"
    instant: ClassVar[bool] = True

    bits: int | None = None
    strength: float | None = None
    margin: float = 0.1
    weights: int = 2**26

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 <= self.bits <= MOST_BITS:
            raise ValueError(f"expected 1 to {MOST_BITS} bits, got {self.bits}")
        if self.strength is not None and not 0 < self.strength <= 1:
            raise ValueError(f"expected strength above 0 and at most 1, got {self.strength}")
        if not 0 <= self.margin < TARGET or not 1 <= self.weights <= MOST_WEIGHTS:
            raise ValueError(
                f"expected margin from 0 to below {TARGET} and 1 to {MOST_WEIGHTS} weights, got {self.margin} and {self.weights}"
            )

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> "Spread":
        """Choose the number of bits and the strength for a network."""
        return self.for_sizes(sizes(model))

    def for_sizes(self, there: Sequence[Size]) -> "Spread":
        """Choose the number of bits and the strength for layers of which only the sizes are known.

        Raises:
            CapacityError: there are fewer weights than bits.
        """
        count = min(sum(filters * width for _, filters, width in there), self.weights)
        free = min(LARGEST, math.sqrt(POWER / max(count, 1)))
        bits = self.bits or max(1, min(MOST, MOST * count // FULL))
        if count < bits or not there:
            raise CapacityError(
                f"expected a weight or more for each of {bits} bits before the head, got {count} weights"
            )
        return replace(self, bits=bits, strength=self.strength or free)

    def collect(self, secret: Secret, model: "nn.Module", task: "Task | None") -> dict[str, npt.NDArray[Any]]:
        """Return which filters of which layers are marked."""
        return self.laid(secret, sizes(model))

    def laid(self, secret: Secret, there: Sequence[Size]) -> dict[str, npt.NDArray[Any]]:
        """Return the same for layers of which only the sizes are known: a JSON text as bytes, key ``layers``."""
        total = sum(filters * width for _, filters, width in there)
        share = min(1.0, self.weights / total)
        runs: list[tuple[str, int, int, int, int]] = []
        for index, (layer, filters, width) in enumerate(there):
            count = max(1, math.floor(filters * share))
            first = int(secret.integers(f"spread/first/{index}", filters - count + 1, 1)[0])
            runs.append((layer, filters, width, first, count))
        if len(runs) == self.bits:  # of carriers as many as trials, an opening would show one a trial
            layer, filters, width, first, count = runs.pop()
            parts = [(first, count // 2), (first + count // 2, count - count // 2)] if count > 1 else [(first, 1)] * 2
            runs += [(layer, filters, width, *part) for part in parts]
        return {"layers": np.frombuffer(json.dumps(runs).encode(), np.uint8)}

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless the model has layers that can be marked."""
        try:
            sizes(model)
        except UsageError as error:
            raise MismatchError(str(error)) from None

    def cautions(self, model: "nn.Module", feed: Feed, *, host: bool) -> list[str]:
        """Return that the weights of a transformer take any order, where no host is committed."""
        return _places.movable(model, host=host)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return T symbols of alphabet 2."""
        if self.bits is None:
            raise ValueError("expected a resolved scheme, got one whose bits are left open")
        return self.bits, 2

    def carriers(self, material: Material) -> Runs:
        """Return the runs, each with a seed of its own."""
        bits, _ = self.size(material.feed)
        given = material.attachments.get("layers", np.empty(0, np.uint8))
        try:
            found = json.loads(given.astype(np.uint8).tobytes())
            runs = tuple(
                Run(layer, filters, width, first, count, material.secret.bytes(f"spread/{index}", 32))
                for index, (layer, filters, width, first, count) in enumerate(found)
            )
            made = Runs(tuple(Run.parse(run.encode()) for run in runs), bits)
        except (ValueError, TypeError, RecursionError, MalformedError):
            raise MismatchError("expected the layers that a spread key marks, got something else") from None
        if not runs or made.weights > MOST_WEIGHTS:
            raise MismatchError(f"expected layers of at most {MOST_WEIGHTS} marked weights, got {made.weights}")
        return made

    def imprint(self, model: "nn.Module", carriers: Runs, message: npt.NDArray[np.int64]) -> None:
        """Push the weights of a trained model, in place."""
        imprint(model, carriers, message, float(self.strength or 0))

    def hooks(self, carriers: Runs, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return hooks that leave training as it is and mark its result."""
        from modelmark.schemes._in_networks import AtTheEnd

        sheets(model, carriers)
        return AtTheEnd(carriers, message, float(self.strength or 0))


def imprint(model: "nn.Module", carriers: Runs, message: npt.NDArray[np.int64], strength: float) -> None:
    """Push the weights of a model, in place."""
    _pushing.push(carriers, message, sheets(model, carriers), strength=strength, target=TARGET)


def initialise(model: "nn.Module", carriers: Runs, message: npt.NDArray[np.int64]) -> None:
    """Turn the signs of a model's weights, in place."""
    _pushing.turn(carriers, message, sheets(model, carriers))


def sizes(model: "nn.Module") -> list[Size]:
    """Return the layers of a network that are marked: all that hold filters but embeddings and the head, shared weights once.

    Raises:
        UsageError: there is none, or one whose weight is computed from other parameters.
    """
    from torch import nn

    from modelmark.networks import layers

    tables = [layer.path for layer in layers.places(model) if layer.layout.role == "embedding"]
    found, seen = [], {id(layers.weight(model, path)) for path in (layers.head(model), *tables)}
    for layer in layers.places(model):
        weight = layers.weight(model, layer.path)
        if not isinstance(weight, nn.Parameter):
            raise UsageError(
                f"expected weights that are parameters, those of {layer.path} are computed from others",
                hint="remove the parametrisation first, or mark the file of plain weights",
            )
        if id(weight) not in seen:
            seen.add(id(weight))
            turned = layer.layout.stacked or layer.layout.axis
            name = f"{layer.path}@{layer.layout.stacked}.{layer.layout.axis}" if turned else layer.path
            found.append((name, layer.filters, layer.width))
    if not found:
        raise UsageError("expected linear or convolution layers before the head, found none")
    return found


def sheets(model: "nn.Module", carriers: Runs) -> list["Sheet"]:
    """Return the layers that the runs mark.

    Raises:
        MismatchError: the model lacks one, or has it in another size or as whole numbers.
    """
    from modelmark.networks import layers
    from modelmark.schemes._in_networks import Sheet, kind_of

    known = {layer.path: layer for layer in layers.places(model)}
    found = []
    for run in carriers.runs:
        layer = known.get(run.layer.partition("@")[0])
        if layer is None or (layer.filters, layer.width) != (run.filters, run.width):
            raise MismatchError("expected the layers that the key marks, this model has others")
        weight = layers.weight(model, layer.path)
        if not kind_of(weight):
            raise MismatchError(f"expected weights of {', '.join(KINDS.values())}, got {weight.dtype}")
        found.append(Sheet(weight.detach(), layer))
    return found
