"""Every scheme, in two literal tables; another one is ``module:Class``."""

import importlib
from typing import TYPE_CHECKING

from modelmark.errors import UsageError
from modelmark.naming import import_object, suggest

if TYPE_CHECKING:
    from modelmark.schemes.base import Scheme

SCHEMES = {
    "adi": "modelmark.schemes.adi:Adi",
    "answers": "modelmark.schemes.answers:Answers",
    "blackmarks": "modelmark.schemes.blackmarks:BlackMarks",
    "certified": "modelmark.schemes.certified:Certified",
    "classes": "modelmark.schemes.classes:Classes",
    "composite": "modelmark.schemes.composite:Composite",
    "coupled": "modelmark.schemes.coupled:Coupled",
    "deepmarks": "modelmark.schemes.deepmarks:DeepMarks",
    "deepsigns": "modelmark.schemes.deepsigns:DeepSigns",
    "deepsigns-blackbox": "modelmark.schemes.deepsigns_blackbox:DeepSignsBlackBox",
    "entangled": "modelmark.schemes.entangled:Entangled",
    "field": "modelmark.schemes.field:Field",
    "frontier": "modelmark.schemes.frontier:Frontier",
    "margin": "modelmark.schemes.margin:Margin",
    "neuralmark": "modelmark.schemes.neuralmark:NeuralMark",
    "null": "modelmark.schemes.null_embedding:NullEmbedding",
    "passports": "modelmark.schemes.passports:Passports",
    "riga": "modelmark.schemes.riga:Riga",
    "spread": "modelmark.schemes.spread:Spread",
    "uchida": "modelmark.schemes.uchida:Uchida",
    "zhang": "modelmark.schemes.zhang:Zhang",
}

IN_DATA = {
    "choice": "modelmark.schemes.choice:Choice",
    "dawn": "modelmark.schemes.dawn:Dawn",
    "order": "modelmark.schemes.order:Order",
    "twins": "modelmark.schemes.twins:Twins",
}
"""Schemes whose mark is in the data, likewise: records make their keys, and no loop embeds them."""
_ALL = SCHEMES | IN_DATA


def reference(scheme: "Scheme") -> str:
    """Return the name of a scheme in the table, or ``module:Class`` for any other, whatever it calls itself."""
    cls = type(scheme)
    place = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, known in _ALL.items() if known == place), place)


def names_for(kind: str) -> list[str]:
    """Return the names of the schemes for models whose inputs are of a kind, such as ``pictures`` or ``causal``, sorted."""
    return sorted(name for name in SCHEMES if kind in (scheme_class(name).feeds or (kind,)))


def scheme_class(name: str, *, trusted: bool = False) -> "type[Scheme]":
    """Return the class of the scheme called ``name``.

    Args:
        name: a name in ``SCHEMES`` or ``IN_DATA``, or ``module:Class``.
        trusted: whether a person typed the name just now; only then is a module outside the table imported.

    Raises:
        UsageError: an unknown name (near ones are suggested), or a module that was not asked for.
    """
    if name in _ALL:
        module, _, attribute = _ALL[name].partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    if ":" not in name:
        raise UsageError(f"expected a scheme, got {name!r}", hint=suggest(name, _ALL))
    if not trusted:
        raise UsageError(
            f"expected a scheme of modelmark, the key names {name}: importing it runs its code",
            hint=f"if you trust it, repeat it: --scheme {name}",
        )
    found = import_object(name)
    if not (isinstance(found, type) and hasattr(found, "reads") and hasattr(found, "hooks")):
        raise UsageError(f"expected a scheme class at {name}, got something else")
    return found
