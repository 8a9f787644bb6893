"""Rows of token numbers, which an embedding looks up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelmark.canonical import Json
from modelmark.errors import MalformedError
from modelmark.feeds.base import Array, Feed


@dataclass(frozen=True)
class TokenFeed(Feed):
    """Inputs of token numbers, all of one length.

    Args:
        input_shape: ``(tokens,)``.
        class_names: the class map, in label order.
        vocabulary: how many tokens there are; numbers are below it.
        tokenizer: digest of the tokenizer that made the numbers, hex, kept in the key alone; empty: not known.
    """

    kind: ClassVar[str] = "tokens"
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int32)

    vocabulary: int = 2
    tokenizer: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.vocabulary <= 2**24:
            raise ValueError(f"expected a vocabulary of 2 to {2**24} tokens, got {self.vocabulary}")

    def check(self, inputs: Array, what: str = "inputs") -> None:
        """Raise ValueError unless ``inputs`` are int32 numbers of tokens, ``(N, tokens)``."""
        super().check(inputs, what)
        if inputs.size and not 0 <= inputs.min() <= inputs.max() < self.vocabulary:
            raise ValueError(f"expected {what} of tokens below {self.vocabulary}, got others")

    def example(self, count: int) -> Array:
        """Return tokens counted up, over and over."""
        ramp = np.arange(count * int(np.prod(self.input_shape))) % self.vocabulary
        return ramp.astype(np.int32).reshape(count, *self.input_shape)

    def _require_legal(self, inputs: Array) -> None:
        if inputs.size and not 0 <= inputs.min() <= inputs.max() < self.vocabulary:
            raise MalformedError(f"expected tokens below {self.vocabulary} as carriers, got others")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TokenFeed":
        """Return the feed that ``to_json`` described."""
        shape, names = tuple(map(int, value["input_shape"])), tuple(map(str, value["class_names"]))
        return cls(shape, names, int(value["vocabulary"]), str(value.get("tokenizer", "")))

    def to_json(self) -> dict[str, Json]:
        """Return the fields as they stand in a key file."""
        return super().to_json() | ({"tokenizer": self.tokenizer} if self.tokenizer else {})

    def _fields(self) -> dict[str, Json]:
        return {"input_shape": list(self.input_shape), "vocabulary": self.vocabulary}
