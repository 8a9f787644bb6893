"""Weights that quantisers packed, as the layers that they were: each under its usual name, in float32."""

from modelmark.suspects.files.quantisers.undoing import undone

__all__ = ["undone"]
