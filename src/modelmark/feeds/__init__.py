"""Feeds by their kind, in one literal table: what an input is and what its answers are."""

import importlib
from collections.abc import Mapping
from typing import Any

from modelmark.feeds.base import Feed

KINDS = {
    "causal": "modelmark.feeds.causal:CausalFeed",
    "floats": "modelmark.feeds.floats:FloatFeed",
    "pictures": "modelmark.feeds.pictures:PictureFeed",
    "texts": "modelmark.feeds.texts:TextFeed",
    "tokens": "modelmark.feeds.tokens:TokenFeed",
}


def from_json(value: Mapping[str, Any]) -> Feed:
    """Return the feed that ``Feed.to_json`` described; one without a kind is of pictures.

    Raises:
        LookupError: no such kind, or a field is missing.
        TypeError: a field is of another type.
        ValueError: a field has a value that it cannot have.
    """
    module, _, attribute = KINDS[value.get("kind", "pictures")].partition(":")
    found: Feed = getattr(importlib.import_module(module), attribute).from_json(value)
    return found
