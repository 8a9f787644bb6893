"""What is done with what was dropped, in a process of its own: a file for each page; every one returns a ``Result``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Step: TypeAlias = Callable[[str], None]
"""Takes what is begun, in words; how much of it there is can be said with ``Steps``."""


@dataclass(frozen=True)
class Result:
    """What came out.

    Args:
        title: in a few words.
        part: HTML for a page of the desk; every text in it is escaped.
        page: HTML that stands by itself, to be saved and printed; empty: the part in a page of the desk's own look.
        name: under which it is saved.
        sheet: which style sheet the part is made for.
    """

    title: str
    part: str
    page: str = ""
    name: str = "result"
    sheet: str = "desk"
