"""Rows: what is computed from them, and that nothing else is read as one."""

from dataclasses import replace
from fractions import Fraction

import pytest

from modelmark.audit.result import Accuracy, Cost, Perplexity, Result, parse, read
from modelmark.errors import MalformedError
from modelmark.evidence.evidence import Charge, Evidence

CHARGES = (Charge("offline draw", 80.0),)


def reading(matches):
    return Evidence("adi", matches, 100, Fraction(1, 10), CHARGES, 100).to_json()


def row(matches=100, after=0.97, **changes):
    plain = Result(
        "adi", "prune", {"amount": 0.5}, 1, "modification", "pruning", "black-box", "digits", "cnn", 0, "done",
        accuracy=Accuracy(0.99, 0.98, after), marked=reading(100), after=reading(matches), cost=Cost(1.0, 2.0, 10.0),
    )  # fmt: skip
    return replace(plain, **changes)


def test_a_row_comes_back_as_it_was():
    assert parse(row().line()) == row()


@pytest.mark.parametrize(
    ("matches", "after", "removed", "succeeded", "field"),
    [
        (100, 0.97, False, False, False),
        (68, 0.94, True, True, False),  # 69 of 100 are needed for 64 bits after 80 charged; chance says 10
        (16, 0.94, True, True, False),  # P(X >= 16) = 0.040: the field's threshold still says yes
        (15, 0.94, True, True, True),
        (10, 0.90, True, False, True),
    ],
)
def test_the_verdicts(matches, after, removed, succeeded, field):
    result = row(matches, after)
    assert (result.removed, result.succeeded, result.field_removed) == (removed, succeeded, field)
    assert result.lost == pytest.approx(0.98 - after)
    assert result.share_of_training == pytest.approx(0.1)


def test_what_was_never_established_cannot_be_removed():
    assert row(5, marked=reading(20)).removed is None


def test_of_a_cell_the_last_row_counts_and_a_torn_line_is_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [row(100).line(), row(50).line(), row(7, seed=1).line()]
    path.write_text("\n".join(lines) + "\n" + row(3, seed=2).line()[:200])
    results, whole = read(path)
    assert [result.after["matches"] for result in results] == [50, 7]
    assert whole == sum(len(line) + 1 for line in lines)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "nonsense",
        "[" * 100_000,
        "NaN",
        row().line().replace('"matches": 100', '"matches": "100"'),
        row().line().replace('"1/10"', '"1/0"'),
        row().line().replace('"v": 1', '"v": 2', 1),
        row().line().replace('"status": "done"', '"status": "fine"'),
    ],
)
def test_nothing_else_is_a_row(line, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(row().line() + "\n" + line + "\n")
    with pytest.raises(MalformedError, match=r"rows\.jsonl, line 2"):
        read(path)


def test_of_a_language_model_the_price_is_the_rise_of_perplexity():
    told = replace(row(100), perplexity=Perplexity(8.0, 8.0, 8.2))
    assert told.lost == pytest.approx(0.025)
    assert parse(told.line()) == told
    assert replace(told, perplexity=Perplexity(8.0, 8.0, 9.0)).lost == pytest.approx(0.125)
    assert replace(told, perplexity=Perplexity(8.0, 8.0)).lost is None


def test_rows_of_classifiers_are_what_they_were():
    assert "perplexity" not in row(100).line()
    assert parse(row(100).line()).perplexity is None
