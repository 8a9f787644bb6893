"""Carriers of schemes whose queries need several of them: what is not of their form is refused."""

import dataclasses

import pytest
from claim_cases import leaves

from modelmark.claim import carriers, composed
from modelmark.claim.statement import Statement
from modelmark.errors import MalformedError, MismatchError
from modelmark.keys import keygen
from modelmark.schemes import scheme_class
from modelmark.secret import Secret


@pytest.fixture(scope="module")
def keys(unmarked, digits):
    made = {}
    for name in ("deepsigns", "null"):
        key = keygen(scheme_class(name)(), unmarked, digits.interface, task=digits, secret=Secret(bytes(32)))
        made[name] = Statement.of(key.statement), dict(enumerate(leaves(key)))
    return made


def changed(statement, **parameters):
    return dataclasses.replace(statement, parameters=statement.parameters | parameters)


@pytest.mark.parametrize("name", ["deepsigns", "null"])
def test_every_query_names_all_that_its_answer_depends_on(keys, name):
    statement, shown = keys[name]
    before = carriers.queries(statement, shown)
    assert len(set(before.values())) == len(before) == statement.trials * carriers.reading(statement).each
    last = shown | {statement.carriers - 1: shown[statement.carriers - 1][:-1] + b"\x07"}
    after = carriers.queries(statement, last)
    assert 0 < sum(before[i] != after[i] for i in before) < len(before)


@pytest.mark.parametrize("name", ["deepsigns", "null"])
def test_a_record_of_answers_decides_nothing_about_them(keys, name):
    with pytest.raises(MismatchError, match="asked as they are"):
        carriers.require_asked(keys[name][0])


def test_numbers_of_the_statement_that_do_not_fit_are_refused(keys):
    for name, parameters in [
        ("null", {"pictures": 99}), ("null", {"pictures": True}), ("null", {"queries": 0}), ("null", {"queries": 2**19}),
        ("deepsigns", {"classes": 9}), ("deepsigns", {"bits": 0}), ("deepsigns", {"bits": 21}), ("deepsigns", {"width": ()}),
        ("deepsigns", {"width": (512, 512)}), ("deepsigns", {"width": ("512",)}), ("deepsigns", {"message": "secret"}),
    ]:  # fmt: skip
        with pytest.raises(MismatchError):
            carriers.reading(changed(keys[name][0], **parameters))


def test_carriers_of_another_form_are_refused(keys):
    statement, shown = keys["null"]
    picture = shown[statement.carriers - 1]
    for number, carrier in [
        (3, b"filter 0 0 10"), (3, b"filter 7 0 " + b"1" * 9), (3, b"filter 00 0 " + b"1" * 9), (3, picture),
        (statement.carriers - 1, b"label x\n" + picture.partition(b"\n")[2]), (statement.carriers - 1, picture[:-1]),
        (statement.carriers - 1, picture.partition(b"\n")[2]),
    ]:  # fmt: skip
        with pytest.raises(MalformedError):
            carriers.queries(statement, shown | {number: carrier})
    with pytest.raises(MalformedError, match="all 165 carriers"):
        carriers.queries(statement, {i: shown[i] for i in range(100)})
    statement, shown = keys["deepsigns"]
    for number, carrier in [(0, shown[0][:-4]), (25, b"class 0\n" + shown[25]), (25, shown[0])]:
        with pytest.raises(MalformedError):
            carriers.queries(statement, shown | {number: carrier})
    assert len(composed.projections(statement, shown)) == 1
