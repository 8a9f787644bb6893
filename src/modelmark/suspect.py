"""Old names, until every caller has moved."""

from typing import Any

from modelmark.suspects import function, module
from modelmark.suspects.base import ABSTAIN, Suspect
from modelmark.suspects.module import logits

__all__ = ["ABSTAIN", "BlackBox", "Suspect", "WhiteBox", "logits"]


def WhiteBox(model: Any, classes: int = 0) -> module.WhiteBox:  # noqa: N802
    """Return the suspect."""
    return module.WhiteBox(model)


def BlackBox(answer: Any, classes: int = 0) -> function.BlackBox:  # noqa: N802
    """Return the suspect."""
    return function.BlackBox(answer)
