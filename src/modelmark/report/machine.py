"""The report for machines: what the page shows, as JSON, every number with the row it comes from."""

import json
from typing import Any

from modelmark.report import facts
from modelmark.report.cells import Cell, Strength, gross
from modelmark.report.independent import independents
from modelmark.report.labels import clean
from modelmark.report.parts import Part, parts
from modelmark.report.rows import Audit, Row
from modelmark.report.sentences import sentences


def machine(audit: Audit) -> str:
    """Return the report of an audit as one line of JSON, keys sorted; the same rows give the same bytes.

    Rows are named as on the page: by line, after the number of the file where there are several.
    """
    value = {
        "type": "modelmark.report",
        "v": 1,
        "sources": [
            {"name": one.name, "rows": one.rows, "sha256": one.sha256, "torn_line": one.torn or None}
            for one in audit.sources
        ],
        "rows": len(audit.rows),
        "superseded": list(audit.superseded),
        "parts": [_part(part) for part in parts(audit.rows)],
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _part(part: Part) -> dict[str, Any]:
    return {
        "data": part.data,
        "arch": part.arch,
        "setup": part.setup,
        "limits": part.limits,
        "schemes": list(part.schemes),
        "seeds": list(part.seeds),
        "attacks": [{"name": one.name, "kind": one.kind, "family": one.family} for one in part.attacks],
        "summary": [{"text": one.text, "rows": _refs(one.rows)} for one in sentences(part)],
        "independents": [
            {"scheme": one.scheme, "established": one.established, "of": len(one.rows), "rows": _refs(one.rows)}
            | _place(one.most)
            for one in independents(part)
        ],
        "cells": [_cell(cell) for _, cell in sorted(part.cells.items())],
        "verdicts": [
            {
                "attack": one.attack.name,
                "judged": len(one.judged),
                "removed": [cell.scheme for cell in one.fell],
                "removed_for_more": [cell.scheme for cell in one.costly],
            }
            for one in facts.verdicts(part)
        ],
        "field_differs": [
            {
                "scheme": one.scheme,
                "attack": one.attack,
                "ours": one.ours,
                "field": not one.ours,
                "rows": _refs(one.rows),
            }
            for one in facts.differences(part)
        ],
        "prices": [
            {
                "attack": one.attack.name,
                "lowest": _share(one.lowest),
                "median": _share(one.middle),
                "highest": _share(one.highest),
                "success": _share(one.success) if one.success else None,
            }
            for one in facts.prices(part)
        ],
        "forgeries": [
            {"scheme": one.scheme, "naive": _rounded(one.naive), "tries": one.tries, "established": one.established}
            | _place(one.row)
            for one in facts.forgeries(part)
        ],
        "second_marks": [
            {"scheme": one.scheme, "thief_net_bits": _rounded(one.thief), "thief_established": one.established}
            | _place(one.row)
            for one in facts.pirates(part)
        ],
        "detections": [
            {
                "scheme": one.scheme,
                "marked": {"score": _rounded(one.marked[0]), "marked": one.marked[1]},
                "host": {"score": _rounded(one.host[0]), "marked": one.host[1]},
            }
            | _place(one.row)
            for one in facts.detections(part)
        ],
        "unmeasured": [
            {
                "scheme": one.scheme,
                "status": one.status,
                "reason": one.reason,
                "attacks": list(one.attacks),
                "rows": _refs(one.rows),
            }
            for one in facts.unmeasured(part)
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    shown = _strength(cell.shown) if cell.shown else None
    sweep = [_strength(strength) for strength in cell.sweep]
    return {
        "scheme": cell.scheme, "attack": cell.attack, "state": cell.state, "rows": _refs(cell.rows), "shown": shown,
        "sweep": sweep,
    }  # fmt: skip


def _strength(one: Strength) -> dict[str, Any]:
    return {
        "strength": one.order,
        "seeds": one.seeds,
        "succeeded": one.succeeded,
        "net_bits": {"value": _rounded(one.net), "row": one.bits.ref},
        "gross_bits": {"value": _rounded(gross(one.bits)), "row": one.bits.ref},
        "lost": {"value": _rounded(one.loss), "row": one.lost.ref},
    }


def _share(row: Row) -> dict[str, Any]:
    return {"share_of_training": _rounded(facts.share(row)), "row": row.ref}


def _place(row: Row) -> dict[str, Any]:
    found = {"net_bits": _rounded(row.result.net_bits), "gross_bits": _rounded(gross(row))}
    return {"attack": clean(row.result.attack, 60), "seed": row.result.seed, "row": row.ref, **found}


def _refs(rows: tuple[Row, ...]) -> list[str]:
    return [row.ref for row in rows]


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
