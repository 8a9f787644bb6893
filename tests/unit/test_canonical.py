"""One value has one byte string, and every other spelling of it is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmark import canonical
from modelmark.errors import MalformedError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: canonical.Json) -> None:
    assert canonical.decode(canonical.encode(value), what="a value") == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_insertion_does_not_show(value: dict[str, int]) -> None:
    assert canonical.encode(value) == canonical.encode(dict(reversed(value.items())))


def test_the_form_is_sorted_without_spaces_or_needless_escapes() -> None:
    assert canonical.encode({"b": [1, True, None], "é": '"\n'}) == '{"b":[1,true,null],"é":"\\"\\n"}'.encode()


@given(VALUES, st.integers(0, 3))
def test_an_indented_spelling_is_refused(value: canonical.Json, indent: int) -> None:
    data = json.dumps([value], indent=indent).encode()
    with pytest.raises(MalformedError, match="canonical form"):
        canonical.decode(data, what="a value")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a": 1}', id="space"),
        pytest.param(b'{"a":1}\n', id="newline"),
        pytest.param(b'{"b":1,"a":2}', id="order"),
        pytest.param(b'{"a":1,"a":1}', id="duplicate"),
        pytest.param(b'{"a":1,"a":2}', id="duplicate-other-value"),
        pytest.param(b'"\\u0061"', id="needless-escape"),
        pytest.param(b'"\\/"', id="escaped-slash"),
        pytest.param(b"-0", id="minus-zero"),
        pytest.param(b"1.0", id="float"),
        pytest.param(b"1e3", id="exponent"),
        pytest.param(b"[NaN]", id="nan"),
        pytest.param(b"-Infinity", id="infinity"),
        pytest.param(b"1" * 5000, id="endless-integer"),
        pytest.param(b"01", id="leading-zero"),
        pytest.param(b'"\\ud800"', id="lone-surrogate"),
        pytest.param(b'"\xff"', id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf1", id="byte-order-mark"),
        pytest.param('{"a":1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b"1 2", id="two-values"),
        pytest.param(b"[" * 200_000, id="deep-open"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="deep-object"),
    ],
)
def test_other_spellings_and_other_values_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="expected a thing"):
        canonical.decode(data, what="a thing")


def test_a_document_beyond_the_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MAX_DOCUMENT", 10)
    assert canonical.decode(b'"12345678"', what="a thing") == "12345678"
    with pytest.raises(MalformedError, match="at most 10 bytes, got 11"):
        canonical.decode(b'"123456789"', what="a thing")


@pytest.mark.parametrize("value", [1.5, float("nan"), {1: "a"}, {"a": (1,)}, [b"a"], {"a": {"b": {1.0}}}])
def test_what_has_no_canonical_form_is_not_encoded(value: object) -> None:
    with pytest.raises(TypeError, match="expected strings, integers, lists and objects"):
        canonical.encode(value)  # type: ignore[arg-type]
