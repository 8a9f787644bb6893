"""Each shape admits what it says and nothing beside it, in Python and in JSON; records have exactly their fields."""

import datetime
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmark.claim.papers import records, shapes
from modelmark.claim.papers.records import Record
from modelmark.claim.papers.shapes import Base64, Choice, Hex, Integer, Listed, Moment, Named, Text
from modelmark.claim.papers.statement import Scalar


@dataclass(frozen=True)
class Point:
    x: Annotated[int, Integer(0, 9)]
    names: Annotated[tuple[str, ...], Listed(Text(3), 0, 2)] = ()

    def __post_init__(self) -> None:
        records.check(self)


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (Hex(2), ["00ff"], ["", "00", "00FF", "0 ff", "00ff0", "00f\n", 0, None, b"00ff", True]),
        (Hex(2, optional=True), ["", "00ff"], ["0", None]),
        (Text(3, least=1), ["a", "é", "日本語"], ["", "abcd", "a\n", "a\x1b", "\u202e", "e\u0301", "a\u200b", None, 1]),
        (Integer(-1, 5), [-1, 0, 5], [-2, 6, True, False, "1", 1.0, None]),
        (Choice(("a", "b")), ["a"], ["c", "", None, 1]),
        (Choice((1,)), [1], [True, 1.0, "1"]),
        (Choice((True, False)), [True, False], [1, 0, None]),
        (
            Moment(),
            ["2026-01-01T00:00:00Z", "2024-02-29T23:59:59Z"],
            ["", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00z",
             "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-1-01T00:00:00Z", "٢026-01-01T00:00:00Z", 0,
             "2026-01-01T00:00:00Z\n", "0000-01-01T00:00:00Z"],
        ),
        (Moment(optional=True), [""], [None]),
        (Base64(3), [b"a", b"abc"], [b"", b"abcd", "YQ==", None]),
        (Listed(Integer(0, 1), 1, 2), [(0,), (0, 1)], [(), (0, 1, 0), (2,), [0], None, 0]),
        (Named(Integer(0, 1), 1), [{}, {"a": 1}], [{"a": 2}, {"a": 1, "b": 1}, {"": 1}, {"a b": 1}, {1: 1}, [], None]),
        (Record(Point), [Point(1)], [{"x": 1}, None]),
        (Scalar(), ["a", 1, True, (1, "a")], [None, 1.5, 2**60, ((1,),), "\n"]),
    ],
)  # fmt: skip
def test_a_shape_admits_what_it_says(shape, good, bad) -> None:
    for value in good:
        shape.check(value)
        assert shape.load(shape.dump(value)) == value
    for value in bad:
        with pytest.raises(ValueError, match=r"^expected "):
            shape.check(value)


@pytest.mark.parametrize(
    "text",
    [
        "YQ",
        "YQ=",
        "YR==",
        "YQ==\n",
        " YQ==",
        "YQ==YQ==",
        "Y-==",
        "Y_==",
        "=",
        "YQ===",
        "Y",
        "YQé=",
        "YWI",
        "YWJ=",
        "YQ=Q",
    ],
)
def test_base64_has_one_spelling(text) -> None:
    with pytest.raises(ValueError, match="base64"):
        shapes.decode_base64(text)


@given(st.binary(max_size=40))
def test_base64_of_anything_comes_back(data) -> None:
    assert shapes.decode_base64(Base64(40, least=0).dump(data)) == data


def test_a_record_is_read_from_exactly_its_fields() -> None:
    assert records.load(Point, {"x": 1, "names": ["a"]}) == Point(1, ("a",))
    assert records.dump(Point(1, ("a",))) == {"x": 1, "names": ["a"]}
    for value in ({"x": 1}, {"x": 1, "names": [], "y": 2}, [], None, "x", {"x": 1, "names": {}}, {"x": 1, "names": "a"},
                  {"x": 1, "names": ["a", "b", "c"]}, {"x": 1, "names": [["a"]]}, {"x": [1], "names": []}):  # fmt: skip
        with pytest.raises(ValueError, match=r"^expected "):
            records.load(Point, value)


def test_its_maker_is_held_to_the_same_shapes() -> None:
    with pytest.raises(ValueError, match=r"expected an integer from 0 to 9, got 10 in Point\.x"):
        Point(10)


def test_moments_are_written_in_utc_without_fractions() -> None:
    moment = datetime.datetime(2026, 1, 1, 1, 0, 0, 999999, datetime.timezone(datetime.timedelta(hours=1)))
    assert shapes.written(moment) == "2026-01-01T00:00:00Z"
    assert shapes.instant("2026-01-01T00:00:00Z") == moment.replace(microsecond=0)
