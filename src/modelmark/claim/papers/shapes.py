"""What a field of a document may hold: one small object checks it, reads it, writes it and describes it as JSON schema."""

import base64
import binascii
import datetime
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Protocol

from modelmark.canonical import Json

_HEX = re.compile("[0-9a-f]*")


class Shape(Protocol):
    """What a field may hold; ``load`` and ``dump`` convert, ``check`` judges, ``schema`` describes."""

    def check(self, value: Any) -> None:
        """Raise ValueError unless ``value`` has this shape."""
        ...

    def load(self, value: Json) -> Any:
        """Return what canonical JSON says; what has the wrong JSON type may be returned as it is, for ``check``."""
        ...

    def dump(self, value: Any) -> Json:
        """Return ``value`` as canonical JSON."""
        ...

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema of the shape in a document of some version."""
        ...


class Plain:
    """Shared by shapes whose value is the same in Python and in JSON."""

    def load(self, value: Json) -> Any:
        """Return the value."""
        return value

    def dump(self, value: Any) -> Json:
        """Return the value."""
        return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Hex(Plain):
    """Lower-case hex of ``size`` bytes; ``optional`` allows the empty string too."""

    size: int
    optional: bool = False

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        if value == "" and self.optional:
            return
        if not (isinstance(value, str) and len(value) == 2 * self.size and _HEX.fullmatch(value)):
            require(False, f"{self.size} bytes as lower-case hex{' or nothing' * self.optional}", value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "string", "pattern": f"^([0-9a-f]{{{2 * self.size}}}){'?' * self.optional}$"}


@dataclass(frozen=True)
class Text(Plain):
    """One line of printable text in Unicode's form C: no control characters, nothing that reorders a terminal."""

    most: int
    least: int = 0

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        right = isinstance(value, str) and self.least <= len(value) <= self.most and value.isprintable()
        require(
            right and unicodedata.is_normalized("NFC", value),
            f"a line of {self.least} to {self.most} printable characters in form C",
            value,
        )

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


@dataclass(frozen=True)
class Integer(Plain):
    """An integer from ``least`` to ``most``; a boolean is none."""

    least: int
    most: int

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        if not (isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most):
            require(False, f"an integer from {self.least} to {self.most}", value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Choice(Plain):
    """One of a few values, of the same type."""

    values: tuple[str | int | bool, ...]

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        right = any(type(value) is type(known) and value == known for known in self.values)
        require(right, f"one of {', '.join(map(repr, self.values))}", value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"enum": list(self.values)}


@dataclass(frozen=True)
class Moment(Plain):
    """A second in UTC, ``2026-11-25T17:31:59Z``; ``optional`` allows the empty string too."""

    optional: bool = False

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        if value == "" and self.optional:
            return
        right = isinstance(value, str) and re.fullmatch(_MOMENT, value, re.ASCII) is not None
        try:
            right = right and instant(value) is not None
        except ValueError:
            right = False
        require(right, "a date and time as 2026-11-25T17:31:59Z", value)

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "string", "pattern": f"^({_MOMENT}){'?' * self.optional}$"}


_MOMENT = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


@dataclass(frozen=True)
class Base64:
    """Bytes; in JSON, base64 with its padding, in the one spelling that encoding gives."""

    most: int
    least: int = 1

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        right = isinstance(value, bytes) and self.least <= len(value) <= self.most
        require(right, f"{self.least} to {self.most} bytes as base64", value)

    def load(self, value: Json) -> Any:
        """Return the bytes."""
        return decode_base64(value) if isinstance(value, str) else value

    def dump(self, value: Any) -> Json:
        """Return the text."""
        return base64.b64encode(value).decode()

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        bounds = {"minLength": -(-self.least // 3) * 4, "maxLength": -(-self.most // 3) * 4}
        return {"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]*={0,2}$"} | bounds


@dataclass(frozen=True)
class Listed:
    """A tuple of ``least`` to ``most`` items of one shape; an array in JSON."""

    item: Shape
    least: int
    most: int

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        right = isinstance(value, tuple) and self.least <= len(value) <= self.most
        require(right, f"a list of {self.least} to {self.most} items", value)
        for item in value:
            self.item.check(item)

    def load(self, value: Json) -> Any:
        """Return the tuple."""
        if not isinstance(value, list) or len(value) > self.most:
            return None
        return tuple(self.item.load(item) for item in value)

    def dump(self, value: Any) -> Json:
        """Return the list."""
        return [self.item.dump(item) for item in value]

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        return {"type": "array", "items": self.item.schema(version), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True)
class Named:
    """An object with names of its own, such as a scheme's parameters; a dictionary that nobody changes."""

    item: Shape
    most: int

    def check(self, value: Any) -> None:
        """Raise ValueError unless it is."""
        right = isinstance(value, dict) and len(value) <= self.most
        require(right, f"an object of at most {self.most} fields", value)
        for name, item in value.items():
            require(isinstance(name, str) and re.fullmatch(_NAME, name) is not None, f"names like {_NAME}", name)
            self.item.check(item)

    def load(self, value: Json) -> Any:
        """Return the dictionary."""
        return {name: self.item.load(item) for name, item in value.items()} if isinstance(value, dict) else value

    def dump(self, value: Any) -> Json:
        """Return the object."""
        return {name: self.item.dump(item) for name, item in value.items()}

    def schema(self, version: int = 1) -> dict[str, Any]:
        """Return the JSON schema."""
        names = {"pattern": f"^{_NAME}$"}
        fields = self.item.schema(version)
        return {"type": "object", "propertyNames": names, "additionalProperties": fields, "maxProperties": self.most}


_NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 in its one spelling.

    Raises:
        ValueError: another alphabet, white space, no padding, or bits set where none count.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64, got something else") from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("expected base64 in canonical form, got another spelling of it")
    return data


def instant(text: str) -> datetime.datetime:
    """Return the moment that ``2026-11-25T17:31:59Z`` names, with its zone."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)


def written(moment: datetime.datetime) -> str:
    """Return a moment as documents write it, in UTC, fractions of a second dropped."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def require(right: bool, what: str, value: object) -> None:
    """Raise ValueError, ``expected what, got value``, unless ``right``."""
    if not right:
        shown = repr(value)
        raise ValueError(f"expected {what}, got {shown if len(shown) < 80 else shown[:77] + '...'}")
