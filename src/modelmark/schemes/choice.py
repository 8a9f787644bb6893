"""Answers of an API in two versions, of which a drawn coin picks the one that is served.

A student trained on what was served finds it likelier than what was not. Pairs are logged (``serving``), committed period by
period, and drawn after their commitment was dated; from then on the drawn answer is served.
"""

from dataclasses import dataclass
from typing import ClassVar

from modelmark.schemes.twins import Twins


@dataclass(frozen=True)
class Choice(Twins):
    """Two answers to each prompt, of which a drawn coin picks the one that is served (black-box, from likelihoods).

    Args:
        pairs: prompts; left out: as many as are attached.
        graded: whether ``verify`` reads by a second rule as well, of graded preferences; that is one bit.
    """

    name: ClassVar[str] = "choice"
    summary: ClassVar[str] = "two answers to each prompt of an API, of which a coin picks the one that is served"
    reading: ClassVar[str] = "answer of less surprisal for its size behind the prompt, ties abstain"
    _way: ClassVar[str] = "serve what serving.Served picks, or train on mark.records()"
