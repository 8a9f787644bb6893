"""Tables of names with what can be set, shared by ``modelmark schemes`` and ``modelmark attacks``."""

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from modelmark.cli.terminal import show


def settings(cls: type[Any]) -> dict[str, Any]:
    """Return the settings of a scheme or attack with their defaults."""
    return {field.name: field.default for field in fields(cls) if not field.metadata.get("derived")}


def print_rows(rows: list[dict[str, Any]], columns: Iterable[str], *, as_json: bool) -> None:
    """Print one entry per row: the columns, then its settings below; or everything as JSON."""
    if as_json:
        show(json.dumps(rows))
        return
    for row in rows:
        show("  ".join(f"{row[column]:9}" for column in columns))
        show(" " * 11 + " ".join(f"{name}={_shown(value)}" for name, value in row["settings"].items()))


def _shown(value: Any) -> str:
    return "auto" if value in (None, "") else str(value)
