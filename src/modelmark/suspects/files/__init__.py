"""Weight files of any container: what they hold by name, one tensor at a time, and how their names fit a network's."""

from modelmark.suspects.files.base import LIMIT, WeightFile, digest, held
from modelmark.suspects.files.factors import multiplied
from modelmark.suspects.files.fitting import Fitted, fitted, name_of, sized, some, weight_of
from modelmark.suspects.files.opening import is_weights, open_weights
from modelmark.suspects.files.packed import explained

__all__ = [
    "LIMIT", "Fitted", "WeightFile", "digest", "explained", "fitted", "held", "is_weights", "multiplied", "name_of",
    "open_weights", "sized", "some", "weight_of",
]  # fmt: skip
