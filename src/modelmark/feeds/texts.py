"""Texts, which only a suspect that takes texts can be asked: an API, or a function with a tokeniser of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelmark.errors import MalformedError
from modelmark.feeds.base import Array, Feed

MOST = 2**20
"""Bytes of one text."""


@dataclass(frozen=True)
class TextFeed(Feed):
    """Inputs of text, an array of ``str`` objects ``(N, 1)``.

    Args:
        input_shape: ``(1,)``.
        class_names: the class map, in label order.
    """

    kind: ClassVar[str] = "texts"
    dtype: ClassVar[np.dtype[Any]] = np.dtype(object)

    def check(self, inputs: Array, what: str = "inputs") -> None:
        """Raise ValueError unless ``inputs`` are texts."""
        super().check(inputs, what)
        if not all(isinstance(text, str) for text in inputs.flat):
            raise ValueError(f"expected {what} of text, got other objects")

    def example(self, count: int) -> Array:
        """Return short sentences."""
        return np.array([[f"This is example {number}."] for number in range(count)], object)

    def packed(self, inputs: Array) -> Array:
        """Return the array that a key file holds: the texts in UTF-8, a zero byte after each, uint8 ``(bytes,)``."""
        return np.frombuffer(b"".join(str(text).encode() + b"\0" for text in inputs[:, 0]), np.uint8)

    def unpacked(self, attached: Array) -> Array:
        """Return the texts that were ``packed``."""
        if attached.dtype == self.dtype:
            return attached
        texts = attached.astype(np.uint8).tobytes().split(b"\0")[:-1]
        return self.parse([b"text\n" + text for text in texts])

    def leaves(self, inputs: Array) -> list[bytes]:
        """Return each text in UTF-8 after a line ``text``."""
        return [b"text\n" + str(text).encode() for text in inputs[:, 0]]

    def parse(self, leaves: Sequence[bytes]) -> Array:
        """Return texts from their bytes.

        Raises:
            MalformedError: a leaf is no text.
        """
        found = []
        for leaf in leaves:
            if not leaf.startswith(b"text\n") or len(leaf) > MOST:
                raise MalformedError(f"expected texts of at most {MOST} bytes as carriers, got something else")
            try:
                found.append([leaf[5:].decode()])
            except UnicodeDecodeError:
                raise MalformedError("expected texts in UTF-8 as carriers, got other bytes") from None
        return np.array(found, object).reshape(-1, 1)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TextFeed":
        """Return the feed that ``to_json`` described."""
        return cls(tuple(map(int, value["input_shape"])), tuple(map(str, value["class_names"])))
