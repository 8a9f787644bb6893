"""Files of rows: which lines count, what they are called, and what arithmetic refuses."""

from dataclasses import replace

import pytest
from report_rows import audit, observed, reading, row, written

from modelmark.audit.result import Accuracy
from modelmark.errors import MalformedError, UsageError
from modelmark.report.machine import machine
from modelmark.report.page import page
from modelmark.report.plain import plain
from modelmark.report.rows import load


def test_rows_are_named_by_their_lines_and_of_a_cell_the_last_counts(tmp_path):
    path = tmp_path / "rows.jsonl"
    first, again, other = row(left=1.0), row(left=0.5), row(attack="jpeg")
    path.write_text(first.line() + "\n\n" + other.line() + "\n" + again.line() + "\n")
    found = load([path])
    assert [(one.ref, one.anchor) for one in found.rows] == [("3", "row-3"), ("4", "row-4")]
    assert found.superseded == ("1",)
    assert found.rows[1].result == again


def test_rows_of_several_files_carry_the_number_of_their_file(tmp_path):
    files = [written(tmp_path / "a.jsonl", [row()]), written(tmp_path / "b.jsonl", [row(seed=1), row(seed=2)])]
    found = load(files)
    assert [(one.ref, one.anchor) for one in found.rows] == [("1:1", "row-1-1"), ("2:1", "row-2-1"), ("2:2", "row-2-2")]
    assert [source.rows for source in found.sources] == [1, 2]


def test_a_torn_last_line_is_left_out_and_named(tmp_path):
    path = written(tmp_path / "rows.jsonl", [row(), row(seed=1)])
    with path.open("a") as stream:
        stream.write(row(seed=2).line()[:300])
    found = load([path])
    assert len(found.rows) == 2
    assert found.sources[0].torn == 3


@pytest.mark.parametrize("text", ["", "\n\n", '{"torn'])
def test_no_rows_at_all_is_a_request_that_cannot_be_met(text, tmp_path):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(UsageError, match=r"expected rows of an audit in rows\.jsonl, got none"):
        load([tmp_path / "rows.jsonl"])


def changed(**values):
    return row(after={**reading("adi", 50), **values})


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (changed(gross_bits=500.0), "gross bits after"),
        (changed(net_bits=70.0), "net bits after"),
        (changed(matches=60), "60 of 100"),
        (changed(verdict="established"), "verdict by the bar"),
        (row(marked={**reading("adi", 100), "verdict": "not established"}), "before the attack"),
        (changed(matches=101), "at most 100 matches"),
        (changed(chance="1/1"), "chance below 1"),
        (changed(charges=[{"reason": "draw", "bits": "80"}]), "charges"),
        (changed(charges=[{"reason": "draw", "bits": 10**400}]), "charges"),
        (changed(bar=1e308), "a bar above 0"),
        (changed(bar=0.0), "a bar above 0"),
        (row(accuracy=Accuracy(0.99, 1e308, -1e308)), "accuracies from 0 to 1"),
        (row(after={**observed("adi", 50), "net_bits": 70.0}), "expected a chance"),
        (row(after={**observed("adi", 50), "verdict": "established"}), "expected a chance"),
    ],
)
def test_bits_that_do_not_follow_from_the_counts_are_refused(wrong, why, tmp_path):
    path = written(tmp_path / "rows.jsonl", [row(seed=1), wrong])
    with pytest.raises(MalformedError, match=rf"rows\.jsonl, line 2: .*{why}"):
        load([path])


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(row().line().replace('"host": 0.99', '"host": NaN') + "\n")
    with pytest.raises(MalformedError, match=r"line 1"):
        load([path])


def test_numbers_that_no_float_holds_are_shown_or_left_out(tmp_path):
    huge = 10**400
    odd = [
        row(seed=huge, strength=huge, settings={"amount": huge}, thief={"samples": huge, "share": huge}),
        row(seed=1, thief={"share": -1e299, "evidence": {"net_bits": huge}}),
        row(seed=2, thief={}, forged={"naive": huge, "tries": huge}, finding={"marked": {"score": huge}}),
    ]
    found = load([written(tmp_path / "rows.jsonl", odd)])
    for make in (page, plain, machine):
        assert "1" + "0" * 50 in make(found)
    assert "Thief holds" not in plain(found)


def test_a_self_check_key_and_an_observation_are_never_established(tmp_path):
    checked = {**reading("adi", 100), "self_check": True, "verdict": "not established"}
    rows = [row(marked=checked), row(seed=1, marked=observed("adi", 100), after=observed("adi", 3))]
    assert [one.result.removed for one in load([written(tmp_path / "rows.jsonl", rows)]).rows] == [None, None]


def test_every_plausible_row_is_accepted(tmp_path):
    rows = audit()
    found = load([written(tmp_path / "rows.jsonl", rows)])
    assert [one.result for one in found.rows] == rows
    assert len({replace(one, source=1).anchor for one in found.rows}) == len(rows)
