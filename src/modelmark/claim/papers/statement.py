"""The public statement of a key as a claim carries it: everything that was fixed before the draw."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from modelmark import canonical, hashing
from modelmark.canonical import Json
from modelmark.carriers.base import MOST_CARRIERS
from modelmark.claim.papers import records
from modelmark.claim.papers.interface import SINCE, AnyInterface, Interface, PublicInterface
from modelmark.claim.papers.records import Digest, MaybeDigest
from modelmark.claim.papers.shapes import Choice, Hex, Integer, Listed, Named, Text
from modelmark.feeds.base import Feed

SHARED = ("field",)
"""Schemes of which every carrier belongs to every trial, be there as many of them as trials or not."""


@dataclass(frozen=True)
class Scalar:
    """A setting: text, integer or boolean, or a list of them."""

    depth: int = 1

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        if isinstance(value, tuple) and self.depth:
            Listed(Scalar(0), 0, 256).check(value)
        elif isinstance(value, str):
            Text(256).check(value)
        elif not isinstance(value, bool):
            Integer(-(2**53), 2**53).check(value)

    def load(self, value: Json) -> Any:
        """Return the value, a list as a tuple."""
        return tuple(value) if isinstance(value, list) else value

    def dump(self, value: Any) -> Json:
        """Return the value, a tuple as a list."""
        return list(value) if isinstance(value, tuple) else value

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        plain: list[dict[str, Any]] = [Text(256).schema(), Integer(-(2**53), 2**53).schema(), {"type": "boolean"}]
        return {"anyOf": plain + ([Listed(Scalar(0), 0, 256).schema()] if self.depth else [])}


class Version(Choice):
    """Version of a statement: 1 of pictures; 2 of other inputs, in claims of version 3."""

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return Choice(self.values if version >= SINCE else self.values[:1]).schema()


@dataclass(frozen=True)
class Statement:
    """What ``Key.statement`` says; ``docs/spec/statement.md`` explains the fields."""

    type: Annotated[str, Choice(("modelmark.statement",))]
    v: Annotated[int, Version((1, 2))]
    scheme: Annotated[str, Text(200, least=1)]
    parameters: Annotated[dict[str, Any], Named(Scalar(), 64)]
    concealed: Annotated[dict[str, str], Named(Hex(32), 16)]
    root: Digest
    carriers: Annotated[int, Integer(1, MOST_CARRIERS)]
    trials: Annotated[int, Integer(1, MOST_CARRIERS)]
    alphabet: Annotated[int, Integer(2, 2**20)]
    interface: Annotated[AnyInterface, Interface()]
    reading: Annotated[str, Text(200, least=1)]
    host: MaybeDigest
    self_check: Annotated[bool, Choice((True, False))]

    def __post_init__(self) -> None:
        records.check(self)
        if (self.v == 1) != isinstance(self.interface, PublicInterface):
            raise ValueError(f"expected version 1 exactly of pictures, got {self.v}")

    @classmethod
    def of(cls, statement: dict[str, Json]) -> "Statement":
        """Return what ``Key.statement`` says.

        Raises:
            ValueError: it is no public statement.
        """
        return records.load(cls, statement)

    @property
    def feed(self) -> Feed:
        """How a suspect is fed by the claim's word; classes are known by number alone."""
        return self.interface.feed

    @property
    def apart(self) -> bool:
        """Whether each trial has the carrier of its number and no other, so that some can be opened without the rest."""
        return self.carriers == self.trials and self.scheme not in SHARED

    @cached_property
    def digest(self) -> bytes:
        """The key's fingerprint; the draw binds it."""
        return hashing.digest("statement", canonical.encode(records.dump(self)))
