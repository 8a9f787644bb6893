"""``modelmark schemes``: what there is to choose from."""

from typing import Any

from modelmark.cli.options import Json


def run(json: Json = False) -> None:
    """List the schemes: what access they need, how much they carry, what they cost, what removed them, what can be set.

    The numbers are measured, not claimed: docs/results-schemes.md has the rows behind them.
    """
    from json import loads
    from pathlib import Path

    from modelmark.cli.listing import print_rows, settings
    from modelmark.schemes import IN_DATA, SCHEMES, scheme_class
    from modelmark.schemes.base import access_of

    measured = loads(Path(__file__).parents[1].joinpath("schemes", "measured.json").read_text())
    rows = []
    for name in sorted(SCHEMES | IN_DATA):
        cls = scheme_class(name)
        found = measured.get(name)
        rows.append(
            {
                "name": name, "access": access_of(cls), "summary": cls.summary, "settings": settings(cls), "measured": found,
                "size": _size(found), "removed": _removed(found),
            }
        )  # fmt: skip
    print_rows(rows, ("name", "access", "summary"), as_json=json, notes=("size", "removed"))


def _size(found: dict[str, Any] | None) -> str:
    if not found:
        return "not measured"
    cost = f"{found['points_lost']:.2f} points lost" if found["points_lost"] > 0 else "no accuracy lost"
    return f"{found['symbols']} symbols, {found['net_bits']:.0f} net bits, {cost} ({found['on']})"


def _removed(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    return f"removed for 5 points or less by: {', '.join(found['removed_by']) or 'none'} (of {found['tried']} attacks tried)"
