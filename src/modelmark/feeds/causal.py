"""Rows of token numbers of a language model that says, after each of them, which comes next: its classes are its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from modelmark.canonical import Json
from modelmark.errors import MalformedError
from modelmark.feeds.base import Array, Feed

END = -1
"""After the last token of a row that is shorter than the others. Nothing before it depends on what follows."""


@dataclass(frozen=True)
class CausalFeed(Feed):
    """Inputs of token numbers, ``END`` behind the last of each; an answer is the token that comes next.

    Args:
        input_shape: ``(tokens,)``, of the longest row.
        class_names: none: the classes are the tokens.
        vocabulary: how many tokens there are; numbers are below it.
        tokenizer: digest of the tokenizer that made the numbers, hex; empty: not known.
    """

    kind: ClassVar[str] = "causal"
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int32)

    class_names: tuple[str, ...] = ()
    vocabulary: int = 2
    tokenizer: str = ""

    def __post_init__(self) -> None:
        if len(self.input_shape) != 1 or self.input_shape[0] < 1:
            raise ValueError(f"expected rows of at least one token, got shape {self.input_shape}")
        if not 2 <= self.vocabulary <= 2**24:
            raise ValueError(f"expected a vocabulary of 2 to {2**24} tokens, got {self.vocabulary}")

    @property
    def classes(self) -> int:
        """Number of tokens."""
        return self.vocabulary

    def check(self, inputs: Array, what: str = "inputs") -> None:
        """Raise ValueError unless ``inputs`` are int32 numbers of tokens, ``(N, tokens)``, each row's before its ``END``."""
        super().check(inputs, what)
        if reason := self._fault(inputs):
            raise ValueError(f"expected {what} {reason}, got others")

    def example(self, count: int) -> Array:
        """Return tokens counted up, over and over."""
        ramp = np.arange(count * self.input_shape[0]) % self.vocabulary
        return ramp.astype(np.int32).reshape(count, *self.input_shape)

    def _require_legal(self, inputs: Array) -> None:
        if reason := self._fault(inputs):
            raise MalformedError(f"expected carriers {reason}, got others")

    def _fault(self, inputs: Array) -> str:
        """Return what is expected of rows where it is not so."""
        if inputs.size and not END <= inputs.min() <= inputs.max() < self.vocabulary:
            return f"of tokens below {self.vocabulary}"
        ended = inputs == END
        return (
            "of at least one token, none behind the end"
            if (ended[:, 0] | (ended[:, :-1] > ended[:, 1:]).any(1)).any()
            else ""
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CausalFeed":
        """Return the feed that ``to_json`` described."""
        return cls(
            tuple(map(int, value["input_shape"])),
            vocabulary=int(value["vocabulary"]),
            tokenizer=str(value.get("tokenizer", "")),
        )

    def _fields(self) -> dict[str, Json]:
        known: dict[str, Json] = {"tokenizer": self.tokenizer} if self.tokenizer else {}
        return {"input_shape": list(self.input_shape), "vocabulary": self.vocabulary, **known}


def lengths(rows: Array) -> Array:
    """Return how many tokens each row has before its ``END``, int64 ``(N,)``."""
    counted: Array = (rows != END).sum(axis=1)
    return counted


def padded(rows: list[list[int]], length: int = 0) -> Array:
    """Return rows of tokens as a feed stores them, int32 ``(N, length)``; 0: as long as the longest.

    Raises:
        ValueError: a row is empty, or longer than ``length``.
    """
    longest = length or max(map(len, rows), default=1)
    if not all(0 < len(row) <= longest for row in rows):
        raise ValueError(f"expected rows of 1 to {longest} tokens, got {sorted(set(map(len, rows)))[:5]}")
    found = np.full((len(rows), longest), END, np.int32)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found
