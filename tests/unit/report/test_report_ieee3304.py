"""The tables of IEEE 3304, from rows whose counts are known, and from those of the audits in docs."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from modelmark.errors import MalformedError
from modelmark.report.ieee3304 import tables
from modelmark.report.rows import load

sys.path.insert(0, str(Path(__file__).parent))

from report_rows import reading, row, written

DOCS = Path(__file__).resolve().parents[3] / "docs" / "audit"


def laid(tmp_path, rows):
    return tables(load([written(tmp_path / "rows.jsonl", rows)]))


def one(text):
    """Return the text without its lines' ends."""
    return " ".join(text.split())


def line(text, name):
    [found] = [line.split() for line in text.splitlines() if line.startswith(f"  {name} ")]
    return found


def pair(seed, payload, left, alarm, **changes):
    """Return the row of one network and payload; of its 256 symbols ``left`` are right, and ``alarm`` in the unmarked one."""
    control = {"host": reading("uchida", 128), "after": reading("uchida", alarm)}
    return row("uchida", seed=seed, payload=payload, after=reading("uchida", left), control=control, **changes)


def test_m_networks_and_d_payloads_are_counted_as_the_procedure_says(tmp_path):
    rows = [pair(0, 0, 256, 128), pair(0, 1, 256, 256), pair(1, 0, 128, 64), pair(1, 1, 256, 192)]
    text = laid(tmp_path, rows)
    assert (
        "uchida: M = 2, D = 2; 4 of M x D = 4 networks marked; payload 256 symbols of alphabet 2 (256.0 bits)"
        in one(text)
    )
    # of 2 x (2 + 1) networks one is missed, and one unmarked network carries one of two payloads; SER 0, 0, 0.5, 0 and of
    # the unmarked networks, each the mean of two payloads, 0.25 and 0.5
    assert line(text, "prune")[1:] == [
        "4/4",
        "2/2",
        "3",
        "1",
        "1",
        "1",
        "0.167",
        "0.167",
        "0.125",
        "0.208",
        "97.0",
        "%",
    ]
    assert line(text, "none")[1:8] == ["4/4", "2/2", "4", "0", "0", "2", "0.000"]
    assert "0 of 2 unmarked networks, which leaves rates up to 78 % possible at 95 % confidence" in one(text)
    assert "the evidence itself allows 2^-64 a key" in one(text)


def test_an_unmarked_network_that_is_called_marked_is_a_false_positive(tmp_path):
    rows = [pair(0, 0, 256, 128), replace(pair(1, 0, 256, 128), control={"host": reading("uchida", 256)})]
    text = laid(tmp_path, rows)
    assert "false positives before any modification: 1 of 2 unmarked networks; the evidence itself" in one(text)
    assert line(text, "prune")[1:3] == ["2/2", "1/2"]  # the attack could not be made on one of them


def test_strengths_are_lines_of_their_own_and_other_attacks_are_left_out(tmp_path):
    rows = [pair(0, 0, 256, 128, settings={"amount": share}) for share in (0.1, 0.9)] + [row("uchida", "jpeg")]
    text = laid(tmp_path, rows)
    assert [line[:22].strip() for line in text.splitlines() if line.startswith("  prune")] == [
        "prune (amount=0.1)", "prune (amount=0.9)",
    ]  # fmt: skip
    assert "attacks of other kinds (evasion)" in text
    assert "jpeg" not in text


def test_a_scheme_that_was_never_embedded_says_why(tmp_path):
    text = laid(tmp_path, [row(marked=None, after=None, accuracy=None, status="refused", reason="too few weights")])
    assert "adi: M = 1, D = 1; 0 of M x D = 1 networks marked: too few weights" in text


@pytest.mark.parametrize("name", ["quick", pytest.param("digits", marks=pytest.mark.slow)])
def test_rows_without_a_control_leave_false_positives_unknown(name):
    audit = load([DOCS / f"{name}.jsonl"])
    text = tables(audit)
    assert text.count("false positives: unknown") == len({row.result.scheme for row in audit.rows})
    assert "no statement of conformance" in one(text)
    assert max(map(len, text.splitlines())) <= 100
    assert {tuple(found.split()[5:9]) for found in text.splitlines() if found.startswith("  permute ")} == {("–",) * 4}


def test_strengths_whose_names_are_cut_short_are_not_put_together(tmp_path):
    long = "prune(amount=0.5)+finetune(rate=0.01)+prune(amount="
    rows = [
        pair(0, 0, 256, 128, settings={"steps": f"{long}{share})"}, strength=n) for n, share in enumerate((0.1, 0.9))
    ]
    text = laid(tmp_path, rows)
    assert sum(line.split()[:2] == ["1/1", "1/1"] for line in text.splitlines()) == 2


def test_a_control_whose_bits_do_not_follow_is_refused(tmp_path):
    forged = pair(0, 0, 256, 128)
    forged.control["host"]["net_bits"] = 99.0
    with pytest.raises(MalformedError, match="net bits in the unmarked network before the attack"):
        laid(tmp_path, [forged])
