"""From what a language model says comes next, a number, a text or several with scores, to one of a few candidates.

Loads without torch. Which of them it is depends on the prompt and its candidates alone, never on the one that was drawn.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark.errors import SuspectError
from modelmark.suspects.base import ABSTAIN

Said = int | str
"""A token by its number, or by its text."""


def likeliest(scores: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return which of scores of candidates ``(N, k)`` is the largest, ties to the first; ``ABSTAIN`` where one is no number."""
    right = np.isfinite(scores).all(axis=1)
    return np.where(right, scores.argmax(axis=1), ABSTAIN).astype(np.int64)


def place(said: Said, candidates: Sequence[int], words: Sequence[str]) -> int:
    """Return which candidate a token is, ``ABSTAIN`` if it is none.

    A text is compared as it stands, and then without the space around it: some servers swallow a leading one, as Llama's
    tokenizer does, and answers in a chat begin without. Words of one prompt differ by more than space.

    Args:
        said: the token.
        candidates: numbers, k of them.
        words: their texts; empty: known by number alone.
    """
    if isinstance(said, int):
        return candidates.index(said) if said in candidates else ABSTAIN
    if said in words:
        return words.index(said)
    bare = [word.strip() for word in words]
    return bare.index(said.strip()) if said.strip() and said.strip() in bare else ABSTAIN


def best(said: Iterable[tuple[Said, float]], candidates: Sequence[int], words: Sequence[str]) -> int:
    """Return the candidate with the largest score among tokens with scores, ties to the first; ``ABSTAIN`` if none is there."""
    known: dict[int, float] = {}
    for token, score in said:
        number = place(token, candidates, words)
        if number != ABSTAIN and not math.isnan(score):
            known[number] = max(score, known.get(number, -math.inf))
    return max(sorted(known), key=known.__getitem__) if known else ABSTAIN


def told(answer: Any, candidates: Sequence[int], words: Sequence[str]) -> int:
    """Return the candidate that a function's answer to one prompt is.

    Args:
        answer: the next token by number or text, a mapping from such to log-probabilities, or None for a refusal.
        candidates: numbers of tokens.
        words: their texts.

    Raises:
        SuspectError: it is something else.
    """
    if answer is None or isinstance(answer, str):
        return place(answer or "", candidates, words)
    if isinstance(answer, Mapping):
        pairs = [(_token(token), _score(score)) for token, score in answer.items()]
        return best(pairs, candidates, words)
    token = _token(answer)
    return place(token, candidates, words) if token != ABSTAIN else ABSTAIN


def _token(value: Any) -> Said:
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise SuspectError(f"expected a token by number or text from the suspect, got {type(value).__name__}")


def _score(value: Any) -> float:
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return float(value)
    raise SuspectError(f"expected a log-probability of each token from the suspect, got {type(value).__name__}")
