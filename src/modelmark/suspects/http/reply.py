"""From what a server answers to one label: scores, a number, a name, or names with their scores."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from modelmark.errors import SuspectError
from modelmark.suspects import candidates
from modelmark.suspects.answers import Means, Order, labels
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.http.templates import Template

# how servers call a class, and what they call its score
NAMES = ("label", "class", "className", "class_name", "name", "token", "output_label")
TOKENS, TEXTS = ("id", "token_id"), ("token", "text", "tok_str")
SCORES = ("score", "probability", "prob", "logprob", "confidence")
_FORMS = "expected scores, a number or names from the suspect"


def label(data: bytes, template: Template, order: Order) -> int:
    """Return the label that a server's answer to one input is.

    Args:
        data: JSON.
        template: where in it the answer stands, and what it means.
        order: of the suspect's classes.

    Raises:
        SuspectError: no JSON, nothing at that place, NaN, another number of answers, or a class that the key has not.
    """
    found = _found(data, template)
    if found is None:
        raise SuspectError(f"expected an answer at {template.answer}, got {_shown(data)}", hint="--via answer=JMESPATH")
    return _label(found, template.means, order)


def _found(data: bytes, template: Template) -> Any:
    """Return what stands where a template says, None where nothing does."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise SuspectError(f"expected JSON from the suspect, got {_shown(data)}") from None
    return template.where.search(value)


def candidate(
    data: bytes, template: Template, tokens: Sequence[int], words: Sequence[str], *, greedy: bool = False
) -> int:
    """Return which of a prompt's candidates a server's answer is, ``ABSTAIN`` if it is none.

    Args:
        data: JSON.
        template: where in it tokens with their log-probabilities stand, or the text.
        tokens: numbers of the candidates.
        words: their texts.
        greedy: take the token that is said; else the likeliest candidate, for which log-probabilities are needed.

    Raises:
        SuspectError: no JSON, nothing at that place, or no log-probabilities where they are needed.
    """
    found = _found(data, template)
    if greedy:
        if isinstance(found, list) and len(found) == 1:
            (found,) = found
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise SuspectError(f"expected text at {template.answer}, got {_shown(data)}", hint="--via said=JMESPATH")
        return candidates.place(found, tokens, words)
    if not (said := _said(found, TEXTS if words else TOKENS)):
        raise SuspectError(
            f"expected tokens with log-probabilities at {template.answer}, got {_shown(data)}",
            hint="--via rule=greedy takes the token that it says; or ask for more, --via top=N",
        )
    return candidates.best(said, tokens, words)


def _said(found: Any, names: Sequence[str]) -> list[tuple[int | str, float]]:
    """Return tokens with their log-probabilities: by text where candidates have one, as a server may number tokens otherwise."""
    if isinstance(found, Mapping):
        found = [{"token": token, "logprob": score} for token, score in found.items()]
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        return []
    scored = [(_of(one, names), _of(one, SCORES)) for one in found]
    return [
        (token, float(score)) for token, score in scored if type(token) in (int, str) and type(score) in (int, float)
    ]


def _label(found: Any, means: str, order: Order) -> int:
    if means == "likelihoods":
        raise SuspectError(
            "expected a template that asks for a class, got one that asks how likely a text is",
            hint="another --template",
        )
    pairs = _pairs(found)
    if means == "tokens":
        return _token(pairs if pairs is not None else [(str(found), 0.0)], order)
    if pairs is not None:
        if not pairs:
            raise SuspectError(f"{_FORMS}, got none")
        return int(order.of_names([max(pairs, key=lambda pair: pair[1])[0]])[0])
    while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list | str):
        found = found[0]  # a batch of one
    if isinstance(found, str):
        return int(order.of_names([found])[0])
    if means == "names":
        raise SuspectError(f"expected a name of a class from the suspect, got {_shown(json.dumps(found).encode())}")
    numbers = np.array(_numbers(found), np.float64)
    if not np.isfinite(numbers).all():
        raise SuspectError("expected finite scores from the suspect, got NaN or infinity")
    alone = not isinstance(found, list)
    whole = alone and isinstance(found, int)
    kind: Means = "labels" if whole and not means else means  # type: ignore[assignment]
    return int(labels(numbers[None] if not alone else numbers, 1, order, kind)[0])


def _numbers(found: Any) -> list[float]:
    values = found if isinstance(found, list) else [found]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise SuspectError(f"{_FORMS}, got {_shown(json.dumps(found).encode())}")
    try:
        return [float(value) for value in values]
    except OverflowError:
        raise SuspectError(f"{_FORMS}, got one that no float holds") from None


def _pairs(found: Any) -> list[tuple[str, float]] | None:
    """Return names with their scores, None if it is something else."""
    if isinstance(found, Mapping) and found and not any(name in found for name in NAMES):
        return _scored(found.items())
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        return None
    return _scored((_of(one, NAMES), _of(one, SCORES)) for one in found)


def _of(one: Mapping[str, Any], known: Iterable[str]) -> Any:
    return next((one[name] for name in known if name in one), None)


def _scored(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[str, float]]:
    found = []
    for name, score in pairs:
        if not isinstance(name, str | int) or isinstance(score, bool) or not isinstance(score, int | float):
            raise SuspectError(
                f"expected names with their scores from the suspect, got {str(name)[:40]!r} with {str(score)[:40]!r}"
            )
        if math.isnan(score):
            raise SuspectError("expected finite scores from the suspect, got NaN or infinity")
        found.append((str(name), float(score)))
    return found


def _token(pairs: list[tuple[str, float]], order: Order) -> int:
    """Return the likeliest class among tokens, spaces around them aside; ``ABSTAIN`` if none of them is a class."""
    known = {name.strip(): number for number, name in enumerate(order.names)}
    mine = [(score, known[name.strip()]) for name, score in pairs if name.strip() in known]
    return max(mine, key=lambda pair: (pair[0], -pair[1]))[1] if mine else ABSTAIN


def _shown(data: bytes) -> str:
    text = " ".join(data[:400].decode(errors="replace").split())
    return repr(text if len(text) <= 80 else f"{text[:80]}...")
