"""Rows of numbers that a network takes as they are, such as measurements or a table's columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelmark.errors import MalformedError
from modelmark.feeds.base import Array, Feed


@dataclass(frozen=True)
class FloatFeed(Feed):
    """Inputs of finite float32 numbers, of any shape."""

    kind: ClassVar[str] = "floats"
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def example(self, count: int) -> Array:
        """Return numbers from -1 to 1."""
        ramp = np.arange(count * int(np.prod(self.input_shape))) % 251
        return (ramp / 125 - 1).astype(np.float32).reshape(count, *self.input_shape)

    def _require_legal(self, inputs: Array) -> None:
        if not np.isfinite(inputs).all():
            raise MalformedError("expected finite numbers as carriers, got NaN or infinity")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FloatFeed":
        """Return the feed that ``to_json`` described."""
        return cls(tuple(map(int, value["input_shape"])), tuple(map(str, value["class_names"])))
