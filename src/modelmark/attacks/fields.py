"""What a setting may hold: said once in the annotation of its field, and checked, listed and tested from there.

``share: Annotated[Share, "of the labels that are drawn anew"] = 0.2`` is a field with a type, a range and a meaning. Numbers
have a range (``Within``), texts a few values (``Literal``) or a form that the class itself checks.
"""

import dataclasses
import functools
import math
import numbers
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

Strengths: TypeAlias = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Within:
    """A finite number from ``low`` to ``high``; ``open`` names the ends that are left out themselves."""

    low: float
    high: float = math.inf
    open: Literal["", "low", "high", "both"] = ""

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.open in ("low", "both") else self.low <= value
        below = value < self.high if self.open in ("high", "both") else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if math.isinf(self.low):
            return "finite"
        start = f"above {self.low:g}" if self.open in ("low", "both") else f"from {self.low:g}"
        if math.isinf(self.high):
            return start if start.startswith("above") else f"{start} on"
        if self.open in ("high", "both"):
            return f"{start} to below {self.high:g}"
        return f"{start}, at most {self.high:g}" if self.open else f"{start} to {self.high:g}"


Share = Annotated[float, Within(0, 1)]
Part = Annotated[float, Within(0, 1, open="low")]
Positive = Annotated[float, Within(0, open="low")]
Count = Annotated[int, Within(1)]
Rate = Annotated[Positive, "learning rate"]
Epochs = Annotated[Count, "passes over the thief's data"]
Batch = Annotated[Count, "samples a step"]
Copies = Annotated[int, Within(2, 1000), "that an audit makes for the colluders, each with a mark of its own"]


class Field(NamedTuple):
    """A setting, as its annotation says.

    Args:
        name: of the field.
        type: int, float, bool or str.
        default: what it holds unless told otherwise.
        choices: the texts it may hold; empty: numbers, yes or no, or any text.
        within: range of a number; None where there is none.
        about: what it means, in a few words.
    """

    name: str
    type: type
    default: Any
    choices: tuple[str, ...]
    within: Within | None
    about: str

    @property
    def range(self) -> str:
        """What it may hold, in words; empty for any text."""
        if self.choices:
            return ", ".join(self.choices)
        return "True, False" if self.type is bool else str(self.within or "")

    def check(self, value: Any) -> None:
        """Raise ValueError unless the field may hold ``value``."""
        if self.choices:
            _require(value in self.choices, f"{self.name} to be one of {', '.join(self.choices)}", value)
            return
        kinds, what = _KINDS[self.type]
        _require(
            isinstance(value, kinds) and isinstance(value, bool) == (self.type is bool), f"{self.name} {what}", value
        )
        if self.within is not None:
            _require(value in self.within, f"{self.name} {self.within}", value)


_KINDS: dict[type, tuple[type, str]] = {
    int: (numbers.Integral, "to be an integer"),
    float: (numbers.Real, "to be a number"),
    bool: (bool, "to be True or False"),
    str: (str, "to be a text"),
}


def described(cls: type[Any]) -> tuple[Field, ...]:
    """Return the fields of a dataclass, in their order."""
    return _described(cls)  # type: ignore[arg-type]  # mypy takes a class of dataclasses for unhashable


@functools.cache
def _described(cls: type[Any]) -> tuple[Field, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    found = []
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        notes = getattr(hint, "__metadata__", ())
        plain = typing.get_args(hint)[0] if notes else hint
        choices = typing.get_args(plain) if typing.get_origin(plain) is Literal else ()
        within = [note for note in notes if isinstance(note, Within)]
        about = [note for note in notes if isinstance(note, str)]
        found.append(
            Field(
                field.name,
                str if choices else plain,
                field.default,
                choices,
                within[-1] if within else None,
                about[-1] if about else "",
            )
        )
    return tuple(found)


def check(settings: Any) -> None:
    """Raise ValueError, ``expected NAME ..., got VALUE``, unless every field of a dataclass holds what it may."""
    for field in described(type(settings)):
        field.check(getattr(settings, field.name))


def sweep(**values: tuple[Any, ...]) -> Strengths:
    """Return one set of settings for each value of the one field that is named."""
    ((name, each),) = values.items()
    return tuple({name: value} for value in each)


def _require(right: bool, what: str, value: object) -> None:
    if not right:
        raise ValueError(f"expected {what}, got {value!r}"[:200])
