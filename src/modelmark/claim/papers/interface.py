"""How a model is fed, as a public statement says it: pictures by their constants, other inputs by their kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from modelmark import feeds
from modelmark.canonical import Json
from modelmark.claim.papers import records
from modelmark.claim.papers.records import Digest, Record
from modelmark.claim.papers.shapes import Choice, Hex, Integer, Listed, require
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import PictureFeed

SINCE = 3
"""Version of claims from which on keys may be of other inputs than pictures."""
MOST_CLASSES = 2**20
MOST_TOKENS = 2**24
_SHAPE = Listed(Integer(1, 2**24), 1, 8)
_COUNTED: dict[str, tuple[str, ...]] = {"causal": ("vocabulary",), "tokens": ("vocabulary",), "floats": (), "texts": ()}
"""Kinds of inputs that are no pictures, and what they say beside the sizes of an input."""


@dataclass(frozen=True)
class PublicInterface:
    """How a model of pictures is fed; ``PictureFeed.public()``."""

    input_shape: Annotated[tuple[int, ...], _SHAPE]
    classes: Annotated[int, Integer(2, MOST_CLASSES)]
    class_map: Digest
    mean: Annotated[tuple[int, ...], Listed(Integer(-(2**31), 2**31), 1, 4096)]
    std: Annotated[tuple[int, ...], Listed(Integer(1, 2**31), 1, 4096)]
    full_scale: Annotated[int, Integer(1, 2**16)]

    def __post_init__(self) -> None:
        records.check(self)

    @cached_property
    def feed(self) -> PictureFeed:
        """The feed; classes are known by number alone."""
        return PictureFeed(self.input_shape, tuple(map(str, range(self.classes))), self.mean, self.std)


@dataclass(frozen=True)
class OtherInterface:
    """How a model of other inputs is fed; what ``public()`` of their feeds says.

    Args:
        kind: of the inputs.
        input_shape: sizes of one.
        classes: how many there are; of a causal feed its tokens.
        class_map: digest of their names, hex.
        vocabulary: how many tokens there are; 0 where inputs are no tokens.
        tokenizer: digest of the tokenizer, hex; empty where none is known.
    """

    kind: Annotated[str, Choice(tuple(_COUNTED))]
    input_shape: Annotated[tuple[int, ...], _SHAPE]
    classes: Annotated[int, Integer(2, MOST_TOKENS)]
    class_map: Digest
    vocabulary: Annotated[int, Integer(0, MOST_TOKENS)] = 0
    tokenizer: Annotated[str, Hex(32, optional=True)] = ""

    def __post_init__(self) -> None:
        records.check(self)
        if bool(self.vocabulary) != bool(_COUNTED[self.kind]):
            raise ValueError(f"expected a vocabulary exactly where inputs are tokens, got {self.vocabulary}")
        if self.kind == "causal" and self.classes != self.vocabulary:
            raise ValueError(f"expected the {self.vocabulary} tokens as classes, got {self.classes}")
        if self.kind != "causal" and (self.tokenizer or self.classes > MOST_CLASSES):
            raise ValueError(f"expected at most {MOST_CLASSES} classes and no tokenizer, got others")
        _ = self.feed

    @cached_property
    def feed(self) -> Feed:
        """The feed; classes are known by number alone."""
        names = [] if self.kind == "causal" else [*map(str, range(self.classes))]
        return feeds.from_json({**_dumped(self), "class_names": names})


AnyInterface: TypeAlias = PublicInterface | OtherInterface


@dataclass(frozen=True)
class Interface:
    """An interface in a statement: of pictures, or since claims of version 3 of other inputs."""

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        require(isinstance(value, PublicInterface | OtherInterface), "an interface", value)

    def load(self, value: Json) -> Any:
        """Return the record."""
        if not isinstance(value, dict) or "kind" not in value:
            return Record(PublicInterface).load(value)
        shapes = records.shapes(OtherInterface)
        if unknown := value.keys() - shapes.keys():
            raise ValueError(f"expected the fields of an interface, got {min(unknown)!r}")
        found = OtherInterface(**{name: shapes[name].load(item) for name, item in _given(value).items()})
        if _dumped(found) != value:
            raise ValueError("expected fields of an interface that say something, got others")
        return found

    def dump(self, value: Any) -> Json:
        """Return the object."""
        return records.dump(value) if isinstance(value, PublicInterface) else _dumped(value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        pictures = Record(PublicInterface).schema()
        return pictures if version < SINCE else {"anyOf": [pictures, *map(_schema, _COUNTED)]}


def _given(value: Mapping[str, Any]) -> Mapping[str, Any]:
    lacking = {"kind", "input_shape", "classes", "class_map"} - value.keys()
    if lacking:
        raise ValueError(f"expected the field {min(lacking)} of an interface, got none")
    return value


def _dumped(interface: OtherInterface) -> dict[str, Json]:
    """Return an interface without the fields that say nothing."""
    return {name: value for name, value in records.dump(interface).items() if value not in (0, "")}


def _schema(kind: str) -> dict[str, Any]:
    fields = {name: shape.schema() for name, shape in records.shapes(OtherInterface).items()}
    needed = sorted({"class_map", "classes", "input_shape", "kind", *_COUNTED[kind]})
    known = needed + ["tokenizer"] * (kind == "causal")
    said = {name: fields[name] for name in known} | {"kind": {"const": kind}}
    return {"type": "object", "properties": said, "required": needed, "additionalProperties": False}
