"""JSON in which no name may stand twice: readers differ in which of the two they believe."""

import json
from pathlib import Path
from typing import Any

from modelmark.errors import MalformedError


class _TwiceError(Exception):
    pass


def parsed(raw: bytes, path: Path) -> Any:
    """Return what ``raw`` says.

    Raises:
        MalformedError: a name stands twice; ``path`` is whose it is.
        ValueError: not JSON, or nested too deep.
    """
    try:
        return json.loads(raw, object_pairs_hook=_once)
    except _TwiceError as error:
        raise MalformedError(f"expected every name once in {path}, got {str(error)!r} twice") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found
