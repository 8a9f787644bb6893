"""Pictures of bytes, or flat rows of them, scaled and normalised before a network sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelmark.canonical import Json
from modelmark.errors import UsageError
from modelmark.feeds.base import Array, Feed

FULL_SCALE = 255
UNIT = 10_000
"""``mean`` and ``std`` are integers, in ten-thousandths of full scale."""


@dataclass(frozen=True)
class PictureFeed(Feed):
    """Inputs of bytes from 0 to 255.

    Args:
        input_shape: channels first, such as ``(3, 32, 32)``.
        class_names: the class map, in label order.
        mean: per channel, in ten-thousandths of full scale; ``(1307,)`` for MNIST.
        std: in the same unit, all positive.
    """

    kind: ClassVar[str] = "pictures"
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint8)

    mean: tuple[int, ...] = (0,)
    std: tuple[int, ...] = (UNIT,)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.input_shape[0]):
                raise ValueError(f"expected one {name} or one per channel ({self.input_shape[0]}), got {len(values)}")
        if min(self.std) < 1:
            raise ValueError(f"expected positive std, got {self.std}")

    def example(self, count: int) -> Array:
        """Return ramps of grey."""
        ramp = np.arange(count * int(np.prod(self.input_shape))) % 251
        return ramp.astype(np.uint8).reshape(count, *self.input_shape)

    def to_json(self) -> dict[str, Json]:
        """Return the fields as they stand in a key file, which names no kind: there was one."""
        constants: dict[str, Json] = {"mean": list(self.mean), "std": list(self.std)}
        return {"input_shape": list(self.input_shape), "class_names": list(self.class_names), **constants}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PictureFeed":
        """Return the feed that ``to_json`` described."""
        return cls(
            input_shape=tuple(int(size) for size in value["input_shape"]),
            class_names=tuple(str(name) for name in value["class_names"]),
            mean=tuple(int(part) for part in value["mean"]),
            std=tuple(int(part) for part in value["std"]),
        )

    def public(self) -> dict[str, Json]:
        """Return what the public statement says, which names no kind either."""
        return {**self._public(), "mean": list(self.mean), "std": list(self.std), "full_scale": FULL_SCALE}


def decimal(values: Sequence[int]) -> str:
    """Return constants as people type them: ``0.4914,0.4822,0.4465``."""
    return ",".join(f"{value / UNIT:.4f}".rstrip("0").rstrip(".") for value in values)


def of_pictures(feed: Feed) -> PictureFeed:
    """Return a feed that is of pictures.

    Raises:
        UsageError: it is of something else.
    """
    if not isinstance(feed, PictureFeed):
        raise UsageError(f"expected a model of pictures, got one of {feed.kind}")
    return feed
