"""From what a server answers to how much a record surprises it: log-probabilities of the tokens of the prompt itself.

Two forms are known: an object with ``token_logprobs``, and ``text_offset`` where texts were sent, as completions that echo
give it; and a list with an object a token, its number to ``logprob``, as vLLM's ``prompt_logprobs``. The first token of all has
none. What a server adds behind the record is left out.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from modelmark.errors import MismatchError, SuspectError
from modelmark.suspects.base import MICRONATS, MOST_SURPRISAL, Weigh
from modelmark.suspects.http.templates import Template

_NONE = "this endpoint keeps them to itself: a mark in data is read where prompts are echoed with log-probabilities"


def require(template: Template) -> None:
    """Raise MismatchError unless a template asks for likelihoods."""
    if template.means != "likelihoods":
        raise MismatchError(
            "expected a template that asks how likely a text is, for a mark in data, got one that asks for a class",
            hint="--template openai-echo, or vllm-prompt for keys over tokens",
        )


def surprisal(data: bytes, template: Template, one: Weigh) -> int:
    """Return how much a record surprises, in millionths of a nat.

    Args:
        data: JSON that the server answered.
        template: where in it the log-probabilities stand.
        one: the record alone.

    Raises:
        SuspectError: no JSON, no log-probabilities, or others than of this record.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise SuspectError(f"expected JSON from the suspect, got {data[:80]!r}") from None
    found = template.where.search(value)
    if isinstance(found, Mapping) and isinstance(found.get("token_logprobs"), list):
        given = found["token_logprobs"]
        each = _of_text(given, found.get("text_offset"), one) if one.feed.kind == "texts" else _of_tokens(given, one)
    elif isinstance(found, list) and one.feed.kind == "causal":
        each = _of_tokens([_own(at, token) for at, token in zip(found, one.inputs[:][0], strict=False)], one)
    else:
        raise SuspectError("expected log-probabilities of the prompt's tokens from the suspect, got none", hint=_NONE)
    if not each or not all(isinstance(number, int | float) and not isinstance(number, bool) for number in each):
        raise SuspectError("expected log-probabilities of the prompt's tokens from the suspect, got none", hint=_NONE)
    total = -math.fsum(each)
    if math.isnan(total) or total < -1e-3:
        raise SuspectError(f"expected log-probabilities, at most 0, from the suspect, got {-total:g} in all")
    return min(max(round(min(total, MOST_SURPRISAL / MICRONATS) * MICRONATS), 0), MOST_SURPRISAL)


def _of_tokens(given: list[Any], one: Weigh) -> list[Any]:
    """Return the numbers of the tokens that are weighed; the server may have said one more of its own."""
    count = int((one.inputs[:][0] >= 0).sum())
    if not count <= len(given) <= count + 1:
        raise SuspectError(f"expected log-probabilities of {count} tokens from the suspect, got {len(given)}")
    return given[int(one.told[0]) : count]


def _of_text(given: list[Any], offsets: Any, one: Weigh) -> list[Any]:
    """Return the numbers of the tokens that end behind what is given and begin within the text."""
    text, told = str(one.inputs[:][0, 0]), int(one.told[0])
    whole = isinstance(offsets, list) and len(offsets) == len(given)
    if not whole or not all(isinstance(at, int) and not isinstance(at, bool) for at in offsets):
        raise SuspectError("expected the place in the text of each token (text_offset) from the suspect, got others")
    ends = [*offsets[1:], math.inf]
    numbers = [number for number, at, end in zip(given, offsets, ends, strict=True) if end > told and at < len(text)]
    return numbers[1:] if numbers and numbers[0] is None and told == 0 else numbers  # the first token of all has none


def _own(at: Any, token: int) -> Any:
    """Return the log-probability of the token that stands there."""
    said = at.get(str(token)) if isinstance(at, Mapping) else None
    return said.get("logprob") if isinstance(said, Mapping) else None
