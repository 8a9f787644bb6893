"""Settings typed as text become the types of their fields, and back into canonical JSON."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import pytest

from modelmark import canonical, options
from modelmark.errors import UsageError


@dataclass(frozen=True)
class Settings:
    name: ClassVar[str] = "the scheme"

    count: int = 1
    rate: float = 0.5
    kind: Literal["soft", "hard"] = "soft"
    both: bool = False
    sizes: tuple[int, ...] = (1, 2)
    derived: int = field(default=7, init=False)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"expected a count, got {self.count}")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "20", 20),
        ("rate", "0.25", 0.25),
        ("rate", "1e-3", 0.001),
        ("rate", "3", 3.0),
        ("kind", "hard", "hard"),
        ("both", "true", True),
        ("sizes", ["3", "4"], (3, 4)),
    ],
)
def test_text_becomes_the_type_of_its_field(name: str, text: object, value: object) -> None:
    made = getattr(options.make(Settings, {name: text}), name)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "2.5"), ("count", "many"), ("rate", "fast"), ("kind", "medium"), ("both", "perhaps"), ("count", "-1")],
)
def test_a_value_of_the_wrong_kind_or_size_is_refused_on_one_line(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=value) as caught:
        options.make(Settings, {name: value})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("name", "hint"), [("cuont", "did you mean count?"), ("zzz", "known: both, count")])
def test_an_unknown_name_is_refused_with_those_near_it(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"a setting of the scheme, got '{name}'") as caught:
        options.make(Settings, {name: "1"})
    assert hint in caught.value.hint


def test_a_derived_field_is_no_setting() -> None:
    with pytest.raises(UsageError, match="got 'derived'"):
        options.make(Settings, {"derived": "1"})


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert options.parse(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("pairs", [["a"], ["=1"], [""], ["a=1", "a=1"]])
def test_pairs_without_a_name_or_said_twice_are_refused(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="expected"):
        options.parse(pairs)


@pytest.mark.parametrize("rate", [0.1, 1e-300, 1 / 3, 2, np.float64(0.1), np.float32(0.1)])
def test_encoded_settings_are_canonical_and_make_the_same_settings_again(rate: float) -> None:
    encoded = options.encode_options(Settings(rate=rate))
    assert encoded["rate"] == repr(float(rate))
    encoded.pop("derived")
    again = options.make(Settings, canonical.decode(canonical.encode(encoded), what="settings"))
    assert again == Settings(rate=rate)
    assert options.encode_options(again) | encoded == options.encode_options(again)
