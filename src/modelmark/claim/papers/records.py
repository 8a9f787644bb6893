"""Records: frozen dataclasses whose fields are ``Annotated[type, shape]``, and the JSON objects that they are.

``check`` runs in ``__post_init__`` of every record, so that neither its maker nor a reader can hold one with a field out
of bounds. A field that documents have from a later version on says so beside its shape: ``Annotated[type, shape, Since(2)]``.
"""

import dataclasses
import typing
from collections.abc import Mapping
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

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        fields = {name: shape.schema(version) for name, shape in shapes(self.cls, version).items()}
        return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}


@dataclass(frozen=True)
class Since:
    """Beside the shape of a document's field: the version from which on it is there; before, its default is meant."""

    version: int


_Later = tuple[tuple[str, Any, int], ...]
_KNOWN: dict[type[Any], tuple[dict[str, Shape], dict[str, int], _Later]] = {}
_SHAPES: dict[tuple[type[Any], int | None], dict[str, Shape]] = {}


def _known(cls: type[Any]) -> tuple[dict[str, Shape], dict[str, int], _Later]:
    """Return the shapes of a record's fields, the versions from which on they are there, and the later ones' defaults."""
    if cls not in _KNOWN:
        hints = typing.get_type_hints(cls, include_extras=True)
        marks = {field.name: hints[field.name].__metadata__ for field in dataclasses.fields(cls)}
        since = {name: mark[1].version if len(mark) > 1 else 1 for name, mark in marks.items()}
        later = [(one.name, one.default, since[one.name]) for one in dataclasses.fields(cls) if since[one.name] > 1]
        _KNOWN[cls] = {name: mark[0] for name, mark in marks.items()}, since, tuple(later)
    return _KNOWN[cls]


def shapes(cls: type[Any], version: int | None = None) -> Mapping[str, Shape]:
    """Return the shape of every field of a record, by name; of those that a version has, where one is named."""
    if (cls, version) not in _SHAPES:
        found, since, _ = _known(cls)
        _SHAPES[cls, version] = {n: shape for n, shape in found.items() if version is None or since[n] <= version}
    return _SHAPES[cls, version]


def versions(cls: type[Any]) -> tuple[int, ...]:
    """Return the versions of a type of document, ascending."""
    return tuple(sorted({1, *_known(cls)[1].values(), *getattr(cls, "more_versions", ())}))


def version(record: Any) -> int:
    """Return the version that a record is written in: the lowest that has all its fields with something in them.

    A class whose fields hold more from some version on has it among its ``more_versions``, and says in ``least`` which it needs.
    """
    version: int = getattr(record, "least", 1)
    for name, empty, since in _known(type(record))[2]:
        if since > version and getattr(record, name) != empty:
            version = since
    return version


def check(record: Any) -> None:
    """Raise ValueError unless every field of ``record`` has its shape."""
    for name, shape in shapes(type(record)).items():
        try:
            shape.check(getattr(record, name))
        except ValueError as error:
            raise ValueError(f"{error} in {type(record).__name__}.{name}") from None


def load(cls: type[T], value: Json, version: int = 1) -> T:
    """Return the record that a JSON object with exactly the fields of a version describes.

    Raises:
        ValueError: other fields, or one out of its shape.
    """
    known = shapes(cls, version)
    if not isinstance(value, dict) or value.keys() != known.keys():
        raise ValueError(
            f"expected an object with the fields {', '.join(sorted(known))} for {cls.__name__}, got others"
        )
    return cls(**{name: shape.load(value[name]) for name, shape in known.items()})


def dump(record: Any) -> dict[str, Json]:
    """Return the JSON object of a record, in the version that it is written in."""
    known, _, later = _known(type(record))
    if later:
        known = dict(shapes(type(record), version(record)))
    return {name: shape.dump(getattr(record, name)) for name, shape in known.items()}
