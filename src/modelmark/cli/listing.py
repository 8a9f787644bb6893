"""Tables of names with what can be set, shared by ``modelmark schemes`` and ``modelmark attacks``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from modelmark.cli.terminal import show


def settings(cls: type[Any]) -> dict[str, Any]:
    """Return the settings of a scheme or attack with their defaults."""
    return {field.name: field.default for field in fields(cls) if not field.metadata.get("derived")}


def print_rows(rows: list[dict[str, Any]], columns: Iterable[str], *, as_json: bool, notes: Iterable[str] = ()) -> None:
    """Print one entry per row: the columns, then its notes and its settings below; or everything as JSON.

    Args:
        rows: with the columns, ``settings`` and, as texts that may be empty, the notes.
        columns: names of what stands in the first line.
        as_json: for machines.
        notes: names of what has lines of its own.
    """
    if as_json:
        show(json.dumps(rows))
        return
    notes = list(notes)
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        show("  ".join(f"{row[column]:{width}}" for column in columns))
        for name in notes:
            if row[name]:
                show(f"{'':{width}}  {row[name]}")
        show(f"{'':{width}}  {given(row['settings']) or 'nothing to set'}")


def given(settings: Mapping[str, Any]) -> str:
    """Return settings in one line, as ``--set`` takes them."""
    return " ".join(f"{name}={_shown(value)}" for name, value in settings.items())


def _shown(value: Any) -> str:
    return "auto" if value in (None, "") else str(value)
