"""The first row of every scheme: what its marks read in an unmarked network of the same make."""

import json
import re

import pytest
from html_check import Page
from report_rows import audit, independent, observed, row, written

from modelmark.report.machine import machine
from modelmark.report.page import page
from modelmark.report.parts import parts
from modelmark.report.plain import WIDTH, plain
from modelmark.report.rows import load
from modelmark.report.sentences import sentences


def loaded(tmp_path, rows):
    return load([written(tmp_path / "rows.jsonl", rows)])


@pytest.fixture
def found(tmp_path):
    alone = [independent("adi", 9 + 3 * seed, seed=seed) for seed in range(3)] + [independent("uchida", 131)]
    return loaded(tmp_path, [*alone, *audit()])


def test_it_stands_first_in_text_and_page_and_is_named_for_machines(found):
    text = plain(found)
    [line] = [line for line in text.splitlines() if line.startswith("unmarked, same make  ")]
    assert line.split()[3:] == ["0.0", "0.0"]  # net bits of two schemes; the others have no such row
    assert text.index(line) < text.index("  prune ")
    assert "  adi: 15 of 100, not established: 3.7 gross, 0.0 net bits, the most of 3 readings (row 3)" in text
    assert "  uchida: 131 of 256, not established: 1.4 gross, 0.0 net bits (row 4)" in text
    assert max(map(len, text.splitlines())) <= WIDTH

    read = Page(page(found))
    heads = [" ".join(cells[0].split()) for cells in read.rows if cells]
    [place] = [number for number, head in enumerate(heads) if head.startswith("unmarked, same make")]
    assert heads[place - 1] == "Steals nothing"
    assert heads[place + 1] == "Modifies the network"
    assert read.rows[place][1:] == ["0.015/100", "", "", "0.0131/256"]
    assert not read.unbalanced

    made = json.loads(machine(found))["parts"][0]["independents"]
    assert [(one["scheme"], one["established"], one["of"], one["row"]) for one in made] == [
        ("adi", 0, 3, "3"), ("uchida", 0, 1, "4"),
    ]  # fmt: skip


def test_it_counts_as_no_attack_and_no_removal(found, tmp_path):
    (with_it,), (without,) = parts(found.rows), parts(loaded(tmp_path, audit()).rows)
    assert with_it.attacks == without.attacks
    assert [cell.state for cell in with_it.cells.values()] == [cell.state for cell in without.cells.values()]
    told = [[one.text for one in sentences(part)] for part in (with_it, without)]
    [said] = [text for text in told[0] if text not in told[1]]
    assert said == (
        "Of 4 readings of unmarked networks of the same make, none is established; the most evidence is 3.7 gross bits, of adi."
    )
    assert "<td>independent</td>" in page(found)
    assert "unmarked, same make: not established" in page(found)


def test_a_false_alarm_is_not_hidden(tmp_path):
    found = loaded(tmp_path, [independent("adi", 100), independent("adi", 9, seed=1), row()])
    assert "one is established; the most evidence is 332.1 gross bits, of adi. Row 1" in Page(page(found)).text
    assert re.search(r'<td class="failed" title="adi in 2 unmarked[^"]*: 1 established', page(found))
    assert "100 of 100, established: 332.1 gross, 252.1 net bits, the most of 2 readings (row 1)" in plain(found)


def test_files_from_before_and_readings_without_an_exact_test_render(tmp_path):
    for made in (page, plain, machine):
        assert "unmarked, same make" not in made(loaded(tmp_path, [row()]))
    found = loaded(tmp_path, [independent("adi", 9, after=observed("adi", 9))])
    assert "adi: 9 of 100, not established: – gross, – net bits (row 1)" in plain(found)
    assert "none is established. Row 1" in Page(page(found)).text
    assert not Page(page(found)).unbalanced


def test_one_that_was_refused_is_told_with_its_reason(tmp_path):
    refused = independent("adi", 9, status="refused", marked=None, after=None, accuracy=None, reason="181/200 symbols")
    assert "refused: adi x independent: 181/200 symbols (row 1)" in plain(loaded(tmp_path, [refused]))
