"""Records: frozen dataclasses whose fields are ``Annotated[type, shape]``, and the JSON objects that they are.

``check`` runs in ``__post_init__`` of every record, so that neither its maker nor a reader can hold one with a field out
of bounds.
"""

import dataclasses
import typing
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

from modelmark.canonical import Json
from modelmark.claim.papers.shapes import Hex, Moment, Shape, require

T = TypeVar("T")

Digest = Annotated[str, Hex(32)]
MaybeDigest = Annotated[str, Hex(32, optional=True)]
Time = Annotated[str, Moment()]
MaybeTime = Annotated[str, Moment(optional=True)]
Subject: TypeAlias = tuple[str, str, str]
"""What an in-toto statement is about: a name, the algorithm of a digest, the digest in hex."""


@dataclass(frozen=True)
class Record:
    """A frozen dataclass of shaped fields; an object with exactly these fields in JSON."""

    cls: type[Any]

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        require(isinstance(value, self.cls), f"a {self.cls.__name__}", value)

    def load(self, value: Json) -> Any:
        """Return the record."""
        return load(self.cls, value)

    def dump(self, value: Any) -> Json:
        """Return the object."""
        return dump(value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema."""
        fields = {name: shape.schema() for name, shape in shapes(self.cls).items()}
        return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}


_SHAPES: dict[type[Any], dict[str, Shape]] = {}


def shapes(cls: type[Any]) -> dict[str, Shape]:
    """Return the shape of every field of a record, by name."""
    if cls not in _SHAPES:
        hints = typing.get_type_hints(cls, include_extras=True)
        _SHAPES[cls] = {field.name: hints[field.name].__metadata__[0] for field in dataclasses.fields(cls)}
    return _SHAPES[cls]


def check(record: Any) -> None:
    """Raise ValueError unless every field of ``record`` has its shape."""
    for name, shape in shapes(type(record)).items():
        try:
            shape.check(getattr(record, name))
        except ValueError as error:
            raise ValueError(f"{error} in {type(record).__name__}.{name}") from None


def load(cls: type[T], value: Json) -> T:
    """Return the record that a JSON object with exactly its fields describes.

    Raises:
        ValueError: other fields, or one out of its shape.
    """
    known = shapes(cls)
    if not isinstance(value, dict) or value.keys() != known.keys():
        raise ValueError(
            f"expected an object with the fields {', '.join(sorted(known))} for {cls.__name__}, got others"
        )
    return cls(**{name: shape.load(value[name]) for name, shape in known.items()})


def dump(record: Any) -> dict[str, Json]:
    """Return the JSON object of a record."""
    return {name: shape.dump(getattr(record, name)) for name, shape in shapes(type(record)).items()}
