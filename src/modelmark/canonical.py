"""Canonical JSON: one value, one byte string; anything else is refused.

Strings, integers, booleans, null, lists and objects only. Keys are sorted, no white space, no escapes but the ones JSON
requires, UTF-8. Numbers with a fraction travel as strings: two machines print the same integer, not the same float.
"""

import json
from typing import Any, TypeAlias

from modelmark.errors import MalformedError

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

MAX_DOCUMENT = 16 * 2**20
"""Bytes. The largest honest document, a key's parameters, has a few hundred; 16 MiB bounds parsing time."""


def encode(value: Json) -> bytes:
    """Return the canonical bytes of ``value``.

    Raises:
        TypeError: the value holds something that has no canonical form, such as a float.
    """
    text = _ENCODER.encode(value)
    if _DECODER.decode(text) != value:  # the encoder writes tuples as lists, and numbers as names
        raise TypeError("expected strings, integers, lists and objects with strings as names, got others")
    return text.encode()


def decode(data: bytes, *, what: str) -> Any:
    """Parse canonical bytes.

    Args:
        data: the bytes.
        what: what they are said to be, for the message.

    Raises:
        MalformedError: not JSON, too large, too deep, or not the canonical form of what it says.
    """
    if len(data) > MAX_DOCUMENT:
        raise MalformedError(f"expected {what} of at most {MAX_DOCUMENT} bytes, got {len(data)}")
    try:
        value = _DECODER.decode(data.decode())
        canonical = _ENCODER.encode(value).encode()
    except (ValueError, TypeError, RecursionError):
        raise MalformedError(f"expected {what} as canonical JSON, got something else") from None
    if canonical != data:
        raise MalformedError(f"expected {what} in canonical form, got another spelling of it")
    return value


def _refused(what: object) -> Any:
    raise TypeError(f"expected strings, integers, lists and objects, got {str(what)[:40]}")


# both work without a walk in Python, as documents have tens of thousands of values
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_refused)
_DECODER = json.JSONDecoder(parse_float=_refused, parse_constant=_refused)
