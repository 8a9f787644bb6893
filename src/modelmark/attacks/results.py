"""What attacks on served models work with, and what forgers and detectors return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

Answer: TypeAlias = Callable[[Tensor], Tensor]
"""What an API does: inputs as ``forward`` takes them, ``(N, *input_shape)``, to int64 labels ``(N,)``; ``ABSTAIN`` where it
refuses. The API of a language model is given rows as its feed stores them, int32 ``(N, tokens)`` with ``END`` behind the last
token, and gives logarithms of probabilities of the token that comes next, float32 ``(N, vocabulary)``."""


@dataclass(frozen=True)
class Forged:
    """A claim made up after the fact: what a forger would hand to a judge.

    Args:
        scheme: name of the scheme claimed.
        settings: of the scheme.
        attachments: carriers of the forger's making, as a key of that scheme would hold them; may be empty.
        message: what the forger says was to be read, int64 ``(trials,)``.
        tries: how many candidates were tried on the way.
        secret: 32 bytes of a key whose message was drawn; empty where the forger chose what is read.
    """

    scheme: str
    message: npt.NDArray[np.int64]
    settings: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    tries: int = 1
    secret: bytes = b""


@dataclass(frozen=True)
class Finding:
    """What a detector says.

    Args:
        score: larger for models that look more marked; comparable between models of one architecture.
        marked: whether the score is past the detector's own threshold.
        where: the layer or class that looks most marked; may be empty.
        length: estimated number of symbols; 0: no estimate.
    """

    score: float
    marked: bool
    where: str = ""
    length: int = 0
