"""Hyperparameters as text: ``--set name=value`` to a dataclass, and a dataclass to canonical JSON and back."""

import dataclasses
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from modelmark.canonical import Json
from modelmark.errors import UsageError
from modelmark.naming import suggest

T = TypeVar("T")


def make(cls: type[T], options: Mapping[str, object]) -> T:
    """Return ``cls(**options)`` with every value converted to the type of its field.

    Raises:
        UsageError: an unknown name (near ones are suggested) or a value of the wrong kind or size.
    """
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            raise UsageError(f"expected a setting of {_title(cls)}, got {name!r}", hint=suggest(name, known))
    try:
        made: T = _adapter(cast(Hashable, cls)).validate_python(dict(options))
        return made
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":  # raised by the dataclass itself, which says all there is to say
            raise UsageError(first["msg"].removeprefix("Value error, ")) from None
        name = ".".join(str(part) for part in first["loc"]) or _title(cls)
        problem = first["msg"].removeprefix("Input should be ")
        raise UsageError(f"expected for {name}: {problem}; got {first['input']!r}"[:300]) from None
    except ValueError as error:
        raise UsageError(str(error)) from None


@lru_cache(maxsize=256)
def _adapter(cls: Hashable) -> TypeAdapter[Any]:
    """Return what converts values for a class; making it takes ten times as long as any conversion."""
    return TypeAdapter(cast(type[Any], cls))


def refuse_derived(cls: type[Any], options: Mapping[str, object]) -> None:
    """Raise UsageError if an option names a field that follows from the others."""
    for field in dataclasses.fields(cls):
        if field.metadata.get("derived") and field.name in options:
            raise UsageError(f"expected a setting of {_title(cls)}, got {field.name!r}, which follows from the others")


def parse(pairs: list[str]) -> dict[str, str]:
    """Return the mapping that ``name=value`` texts say.

    Raises:
        UsageError: a text without ``=``, or a name said twice.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"expected name=value, got {pair!r}")
        if name in options:
            raise UsageError(f"expected each setting once, got {name!r} twice")
        options[name] = value
    return options


def encode_options(settings: Any) -> dict[str, Json]:
    """Return the fields of a dataclass as canonical JSON values; a float becomes its shortest exact text.

    An integer given for a float field is written as that float, as it will be read. A field that came later, as its metadata say,
    is left out at its default, so that what was written before it reads and hashes as it did.
    """
    values: dict[str, Json] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("later") and value == field.default:
            continue
        if isinstance(value, float) or field.type in (float, "float"):
            values[field.name] = repr(float(value))
        else:
            values[field.name] = list(value) if isinstance(value, tuple) else value
    return values


def _title(cls: type[Any]) -> str:
    return str(getattr(cls, "name", cls.__name__))
