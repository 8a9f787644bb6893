"""Kinds of carriers by the name of their scheme, in one literal table; a scheme elsewhere says its own (``Scheme.reads``)."""

import importlib

from modelmark.carriers.base import Carriers

KINDS = {
    "adi": "modelmark.carriers.pictures:Pictures",
    "answers": "modelmark.carriers.prompts:Prompted",
    "blackmarks": "modelmark.carriers.coded:Coded",
    "certified": "modelmark.carriers.pictures:Pictures",
    "choice": "modelmark.carriers.pairs:Pairs",
    "classes": "modelmark.carriers.pictures:Pictures",
    "composite": "modelmark.carriers.pictures:Pictures",
    "coupled": "modelmark.carriers.pictures:Pictures",
    "dawn": "modelmark.carriers.coded:Coded",
    "deepmarks": "modelmark.carriers.rows:Rows",
    "deepsigns": "modelmark.carriers.means:Means",
    "deepsigns-blackbox": "modelmark.carriers.pictures:Pictures",
    "entangled": "modelmark.carriers.pictures:Pictures",
    "field": "modelmark.carriers.field:Fields",
    "frontier": "modelmark.carriers.coded:Coded",
    "margin": "modelmark.carriers.pictures:Pictures",
    "neuralmark": "modelmark.carriers.pooled:Pooled",
    "null": "modelmark.carriers.filtered:Filtered",
    "order": "modelmark.carriers.ordered:Ordered",
    "passports": "modelmark.carriers.passports:Passports",
    "riga": "modelmark.carriers.extracted:Extracted",
    "spread": "modelmark.carriers.spread:Runs",
    "twins": "modelmark.carriers.pairs:Pairs",
    "uchida": "modelmark.carriers.rows:Rows",
    "zhang": "modelmark.carriers.pictures:Pictures",
}


def kind(scheme: str) -> type[Carriers] | None:
    """Return the kind of carriers of a scheme in the table, None of any other."""
    if scheme not in KINDS:
        return None
    module, _, attribute = KINDS[scheme].partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
