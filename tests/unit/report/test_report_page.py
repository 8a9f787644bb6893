"""The page: well-formed, self-contained, and every number on it the one of its row; likewise text and JSON."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from html_check import Page
from report_rows import audit, forgery, row, sweep, written

from modelmark.report.labels import bits, points
from modelmark.report.machine import machine
from modelmark.report.page import page
from modelmark.report.plain import WIDTH, plain
from modelmark.report.rows import Audit, load

HOSTILE = "\u202e\u2066<script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{ 7*7 }}\x1b[2J&\n</style>"


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Audit:
    return load([written(tmp_path_factory.mktemp("report") / "rows.jsonl", audit())])


@pytest.fixture(scope="module")
def read(found) -> Page:
    return Page(page(found))


def test_the_page_is_balanced_and_needs_nothing_else(found, read):
    assert not read.unbalanced
    assert {tag for tag, _ in read.elements} & {"script", "link", "iframe", "object", "img", "form", "base"} == set()
    given = [attributes for _, attributes in read.elements]
    assert all(
        value.startswith("#") for one in given for name, value in one.items() if name in ("href", "src", "action")
    )
    assert not [name for one in given for name in one if name.startswith("on")]
    assert not re.search(r"https?:|@import|url\(", page(found))


def test_every_link_leads_somewhere_and_no_place_is_named_twice(read):
    names = [one["id"] for _, one in read.elements if "id" in one]
    assert len(names) == len(set(names))
    targets = {one["href"][1:] for one in read.all("a")}
    assert targets <= set(names)
    assert len(targets) > 50


def test_every_row_is_in_the_table_with_its_numbers(found, read):
    table = {cells[0]: " ".join(cells[1:]) for cells in read.rows if len(cells) == 10 and cells[0].isdigit()}
    assert set(table) == {one.ref for one in found.rows}
    for one in found.rows:
        result, text = one.result, table[one.ref]
        assert result.scheme in text
        assert result.attack in text
        for reading in filter(None, (result.marked, result.after)):
            assert f"{reading['matches']}/{reading['trials']}" in text
            assert f"{bits(reading['gross_bits'])} → {bits(reading['net_bits'])}" in text
        assert result.status == "done" or result.reason in text
        assert result.lost is None or points(result.lost) in text


def test_numbers_of_the_map_are_those_of_the_rows_they_lead_to(found):
    rows = {one.anchor: one.result for one in found.rows}
    cells = re.findall(
        r'<td class="h\d [a-z]+"[^>]*>' + ".*?".join([r'<a class="n" href="#([^"]+)"[^>]*>([^<]+)</a>'] * 2),
        page(found),
    )
    assert len(cells) == 13
    for net_row, net, lost_row, lost in cells:
        assert bits(rows[net_row].net_bits) == net
        assert points(rows[lost_row].lost) == lost


def test_points_of_the_frontiers_lie_where_their_rows_say(found):
    rows = {one.anchor: one.result for one in found.rows}
    dots = re.findall(
        r'<a href="#([^"]+)"><circle class="dot[^"]*" cx="([\d.]+)" cy="([\d.]+)"[^>]*><title>([^<]+)<', page(found)
    )
    assert len(dots) == 30 + 3 + 2 + 2 + 2  # six sweeps of five; retrain, jpeg, collude, overwrite
    assert all(f"{bits(rows[anchor].net_bits)} net bits" in title for anchor, _, _, title in dots)
    heights = sorted((rows[anchor].net_bits, float(y)) for anchor, _, y, _ in dots)
    assert [y for _, y in heights] == sorted((y for _, y in heights), reverse=True)


def test_what_was_found_is_said_in_sentences(read):
    for said in (
        "4 schemes met 8 attacks over 3 seeds on digits, cnn: 127 rows measured.",
        "3 of 6 attacks that met an established mark removed at least one for at most 5 points",
        "overwrite, collude and jpeg removed none.",
        "The most successful, retrain, removed 3 of 3 marks it met.",
        "Of 4 forged claims, 3 would convince a verifier who takes the forger's word",
        "none is established by our evidence.",
        "Detectors called 3 of 6 marked networks marked, and the unmarked one 0 times of 6.",
        "In 18 of 117 judged rows the attack succeeded by our bar, in 9 by the field's rule; the two differ in 9.",
        "21 rows were refused and 1 failed. Row 115",
        "No established mark of deepsigns was there to attack.",
        "Removed nothing here: at least 252.1 net, 332.1 gross, 0.0 pt left (adi).",
        "Removed nothing for at most 5 points.",
        "RuntimeError: out of memory",
        "modelmark 0.1.0, python 3.11.7 and torch 2.13.0",
    ):
        assert said in read.text


def test_an_accepted_forgery_is_not_hidden():
    rows = load_all([forgery("adi", 100, 1.0), forgery("adi", 9, 0.95, seed=1)])
    assert "2 would convince a verifier" in Page(page(rows)).text
    assert "one is established by our evidence" in Page(page(rows)).text
    assert 'class="alarm"' in page(rows)


def load_all(rows):
    from modelmark.report.rows import Row, Source

    return Audit(
        tuple(Row(result, line) for line, result in enumerate(rows, 1)), (Source("rows.jsonl", len(rows), "0" * 64),)
    )


def hostile_rows():
    names = dict.fromkeys(("scheme", "attack", "family", "data", "arch", "setup", "started"), HOSTILE)
    odd = {"settings": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}, "machine": {HOSTILE: [HOSTILE]}}
    seen = {"marked": {"score": 1.0, "marked": True, "where": HOSTILE}, "host": {}}
    plain = [
        replace(one, **names, **odd, scheme_settings={HOSTILE: one.strength})
        for one in sweep("adi", "prune", [(1, 0), (0.1, 0)])
    ]
    return [
        *plain,
        replace(plain[0], kind=HOSTILE, seed=1),
        replace(plain[0], kind="detection", seed=2, after=None, finding=seen),
        replace(plain[0], kind="forgery", seed=3, forged={"naive": HOSTILE, "tries": [HOSTILE]}),
        replace(plain[0], seed=4, status="failed", reason=HOSTILE),
        replace(plain[0], seed=5, thief={"evidence": {"net_bits": HOSTILE, "verdict": HOSTILE}}),
    ]


def test_texts_from_files_stay_texts(tmp_path):
    rows = load([written(tmp_path / "<script>'\".jsonl", hostile_rows())])
    text = page(rows)
    read = Page(text)
    assert not read.unbalanced
    assert not read.all("script")
    assert not read.all("img")
    assert "<script>alert(1)</script>" in read.text
    assert "{{ 7*7 }}" in read.text
    for made in (text, plain(rows), machine(rows)):
        assert not set(made) & set("\u202e\u2066\x1b\x00")


def test_an_audit_of_refusals_alone_is_a_page_too():
    rows = load_all([row(status="refused", marked=None, after=None, accuracy=None, cost=None, reason="too small")])
    assert "No attack met an established mark" in Page(page(rows)).text
    assert "1 row was refused." in Page(page(rows)).text
    assert "too small" in plain(rows)
    assert json.loads(machine(rows))["parts"][0]["cells"][0]["state"] == "refused"


def test_setups_have_sections_of_their_own():
    read = Page(page(load_all([row(), row(setup="other", data="idx:mnist", left=0.1)])))
    names = [one["id"] for _, one in read.elements if "id" in one]
    assert {"part-1", "part-2", "p1-map", "p2-map", "rows"} <= set(names)
    assert not read.unbalanced


def test_the_text_fits_and_names_rows(found):
    text = plain(found)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "  prune: 1 of 3: adi 55.4 (row 9)" in text
    assert re.search(r"finetune +0\.0x/3\.1 +275\.2/2\.1 +n/a +142\.9/4\.1", text)


def test_the_text_of_many_schemes_fits():
    rows = load_all([row(scheme_settings={"triggers": number}, left=0.1 * number) for number in range(11)])
    assert max(map(len, plain(rows).splitlines())) <= WIDTH


def test_numbers_for_machines_are_those_of_the_rows_they_name(found):
    rows = {one.ref: one.result for one in found.rows}
    made = json.loads(machine(found))
    (part,) = made["parts"]
    assert sorted(ref for cell in part["cells"] for ref in cell["rows"]) == sorted(rows)
    for cell in part["cells"]:
        for strength in filter(None, [cell["shown"], *cell["sweep"]]):
            assert strength["net_bits"]["value"] == round(rows[strength["net_bits"]["row"]].net_bits, 6)
            assert strength["gross_bits"]["value"] == round(rows[strength["gross_bits"]["row"]].after["gross_bits"], 6)
            assert strength["lost"]["value"] == round(rows[strength["lost"]["row"]].lost, 6)
    assert machine(found) == json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_the_same_rows_give_the_same_bytes(found):
    assert (page(found), plain(found), machine(found)) == (page(found), plain(found), machine(found))


def test_templates_hold_no_script_and_trust_nothing():
    from modelmark import report

    folder = Path(report.__file__).parent / "templates"
    text = "".join(path.read_text() for path in folder.glob("*.j2"))
    assert not re.search(r"<script|\|\s*safe|autoescape|http://|https://", text)
