"""A program in a file: what goes in and out of it, and one function that runs it. Loads without torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelmark.errors import MalformedError
from modelmark.feeds.base import Array


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Args:
        name: of it.
        shape: batch first; None where any size goes.
        dtype: as NumPy calls it; ``str`` of texts, empty of what is no tensor.
        scale: of integers that stand for real numbers, ``(q - zero) * scale``; 0 where they stand for themselves.
        zero: likewise.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float = 0.0
    zero: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.dtype or 'of another kind'} {'x'.join('?' if n is None else str(n) for n in self.shape)}"


@dataclass(frozen=True)
class Program:
    """A file that was opened by its runtime.

    Args:
        what: format and runtime with its version, in words.
        inputs: in order.
        outputs: in order.
        run: from an array for each input, by name, to what comes out, by name.
    """

    what: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    run: Callable[[Mapping[str, Array]], Mapping[str, Any]]


def damaged(path: object, what: str, error: Exception) -> MalformedError:
    """Return the refusal of a file that its runtime does not take, in a line."""
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return MalformedError(f"expected {path} to be run by {what}, got: {said}")
