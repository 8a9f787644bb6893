"""Batteries that every scheme and every attack must pass, for authors outside modelmark too."""

from modelmark.testing.attacks import check_attack, check_description
from modelmark.testing.schemes import check_scheme

__all__ = ["check_attack", "check_description", "check_scheme"]
