"""JSON that others wrote: any spelling, but bounded, and no name twice in an object, as two readers could see two documents."""

import json
from typing import Any

from modelmark.errors import MalformedError

MOST_VALUES = 2**20
"""Commas, brackets and braces that open, in one document."""


def parse(data: bytes, what: str) -> Any:
    """Return the value in a JSON document; its values are counted before any is made.

    Raises:
        MalformedError: too many values, too deep, a name twice, NaN or infinity, or no JSON in UTF-8.
    """
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise MalformedError(f"expected {what} with at most {MOST_VALUES} values, got more")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"expected {what} in JSON, got something else: {error}"[:200]) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")
