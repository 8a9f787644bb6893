"""Carriers of ``field``: whole numbers that cannot overflow, rules that agree, and what is no field is refused in a line."""

import dataclasses

import numpy as np
import pytest

import field_keys
from modelmark.carriers.base import MOST_QUERIES
from modelmark.carriers.field import CLIP, GRADES, MOST_SHARES, MOST_TOLD, SCALE, UNIT, Fields
from modelmark.carriers.likely import LEAST
from modelmark.claim.judging import reading
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError
from modelmark.evidence.scores import SCORE_MAX
from modelmark.feeds.pictures import PictureFeed
from modelmark.suspects.base import ABSTAIN, MISSING


@pytest.fixture(scope="module")
def key():
    return field_keys.key()


def extreme(count: int, along: int, right: int) -> Fields:
    """Queries that all say the same as clearly as can be: references that give nothing, or everything, to class 0."""
    references = np.zeros((count, 2, 2), np.uint16)
    references[:, :, right] = SCALE
    feed = PictureFeed((1, 1, 1), ("a", "b"))
    return Fields(feed, np.zeros((count, 1, 1, 1), np.uint8), np.full((count, 1), along, np.int16), references)


def test_no_sum_at_the_limits_is_beyond_64_bits():
    """Each query adds at most CLIP times two SCALE either way, and a grade is made of 2 GRADES times the sum and once more."""
    most = MOST_QUERIES * CLIP * 2 * SCALE
    assert most == 2**16 * 768 * 2**15
    assert 2 * GRADES * most + most < 2**63
    likely = MOST_TOLD * CLIP * 4 * LEAST  # of N C answers: C times twice the largest lead, less the sum of C of them
    assert 2 * GRADES * likely + likely < 2**63
    assert 0 < GRADES <= SCORE_MAX
    assert SCALE < 2**16
    assert CLIP < 2**15


@pytest.mark.parametrize("along", [CLIP, -CLIP])
@pytest.mark.parametrize("nearer", [False, True])
def test_the_largest_sums_are_those_of_whole_numbers_without_end(along, nearer):
    made = extreme(MOST_QUERIES, along, right=1)
    found = made.sums(np.zeros(MOST_QUERIES, np.int64), nearer=nearer)
    assert found.tolist() == [MOST_QUERIES * along * 2 * SCALE, -MOST_QUERIES * along * 2 * SCALE]
    table = made.table(np.zeros(MOST_QUERIES, np.int64), nearer=nearer)
    assert table.tolist() == ([[0, GRADES], [GRADES, 0]] if along > 0 else [[GRADES, 0], [0, GRADES]])


def test_sums_are_those_of_the_definition(key):
    own, labels = key.carriers, np.array(field_keys.answers(key, 1.0))
    labels[::7], labels[1::7] = ABSTAIN, MISSING
    there = labels >= 0
    for nearer in (False, True):
        shares = own.references.astype(float)
        reference = shares.mean(axis=1) if nearer else shares[:, 0]
        over = np.eye(10)[labels[there]] - reference[there] / SCALE
        expected = (own.coordinates[there] / UNIT).T @ over
        assert np.allclose(own.sums(labels, nearer=nearer) / (2 * SCALE * UNIT), expected.ravel(), atol=1e-9)


def test_rules_agree_on_signs_and_clearest_coins_have_most(key):
    own, labels = key.carriers, np.array(field_keys.answers(key, 1.0))
    table, signs, sums = own.table(labels), own.symbols(labels), own.sums(labels)
    shown = table.max(axis=1) > 0
    assert np.array_equal(table.argmax(axis=1)[shown], signs[shown])
    assert (table.min(axis=1) == 0).all()
    order = np.argsort(np.abs(sums))
    assert (np.diff(table.max(axis=1)[order]) >= 0).all()
    assert table.max() == GRADES
    assert own.scores(labels).is_counting
    assert not own.scores(table).is_counting


def test_nothing_is_read_from_refusals(key):
    nothing = np.full(field_keys.COUNT, ABSTAIN)
    nothing[::2] = MISSING
    assert not key.carriers.table(nothing).any()
    assert (key.carriers.symbols(nothing) == ABSTAIN).all()
    beyond = np.where(np.arange(field_keys.COUNT) % 2, 10, ABSTAIN)  # no class of the key's
    assert not key.carriers.sums(beyond).any()


def test_what_is_opened_is_what_the_key_has_but_for_the_edit(key):
    statement, leaves = Statement.of(key.statement), key.carriers.leaves()
    made = reading.kind(statement).opened(statement, dict(enumerate(leaves)), {})
    for name in ("inputs", "coordinates", "references"):
        assert np.array_equal(getattr(made, name), getattr(key.carriers, name))
        assert getattr(made, name).dtype == getattr(key.carriers, name).dtype
    assert made.leaves() == leaves
    assert made.edit is None


@pytest.mark.parametrize("lacking", [0, 1, field_keys.COUNT - 1])
def test_queries_are_opened_all_together(key, lacking):
    statement, leaves = Statement.of(key.statement), dict(enumerate(key.carriers.leaves()))
    del leaves[lacking]
    with pytest.raises(MismatchError, match="expected all 600 queries, which every sign shares, got 599"):
        reading.kind(statement).opened(statement, leaves, {})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("coordinates", lambda old: old.astype(np.int32), "expected int16"),
        ("coordinates", lambda old: old[:, 1:], "expected int16"),
        ("coordinates", lambda old: np.where(old == old.max(), CLIP + 1, old).astype(np.int16), "coordinates of at most 768"),
        ("coordinates", lambda old: np.full_like(old, -(2**15)), "coordinates of at most 768"),
        ("references", lambda old: old[:, :1], "expected uint16"),
        ("references", lambda old: old // 2, "references that add up to 16384"),
        ("edit", lambda old: old[0], "expected float32"),
        ("edit", lambda old: old[1:], "expected float32"),
        ("queries", lambda old: old[1:], "expected 600 queries"),
        ("queries", lambda old: old[:, :, :3], "queries"),
    ],
)  # fmt: skip
def test_attachments_of_another_form_are_refused_in_a_line(key, name, value, said):
    changed = dict(key.attachments) | {name: value(key.attachments[name])}
    with pytest.raises(MismatchError, match=said) as caught:
        _ = dataclasses.replace(key, attachments=changed).carriers
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["queries", "coordinates", "references", "edit"])
def test_an_attachment_that_is_not_there_is_named(key, name):
    changed = {other: value for other, value in key.attachments.items() if other != name}
    with pytest.raises(MismatchError, match=f"expected {name} in a field key, got none"):
        _ = dataclasses.replace(key, attachments=changed).carriers


def test_a_small_statement_cannot_ask_for_more_than_memory_is_meant_for(key):
    """A leaf of 32 KiB for each of 16,384 queries: the old rule reckoned with 2 GiB of shares."""
    statement = Statement.of(key.statement)
    interface = dataclasses.replace(statement.interface, classes=2**13)
    large = dataclasses.replace(
        statement, interface=interface, carriers=2**14, trials=2**13,
        parameters=statement.parameters | {"directions": 1, "queries": 2**14},
    )  # fmt: skip
    assert large.carriers * large.feed.classes == 8 * MOST_SHARES
    with pytest.raises(
        MismatchError, match=f"expected at most {MOST_SHARES} queries times classes, got {8 * MOST_SHARES}"
    ):
        reading.kind(large)


@pytest.mark.parametrize("leaf", [b"", bytes(40), bytes(90), bytes(79)])
def test_leaves_that_are_no_queries_are_refused(key, leaf):
    statement, leaves = Statement.of(key.statement), dict(enumerate(key.carriers.leaves()))
    with pytest.raises(MalformedError, match="expected"):
        reading.kind(statement).opened(statement, leaves | {7: leaf}, {})
