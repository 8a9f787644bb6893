"""``modelmark report``: what it writes where, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "report"))

from report_rows import audit, row, written


@pytest.fixture
def rows(tmp_path):
    return written(tmp_path / "rows.jsonl", audit())


@pytest.mark.parametrize(
    ("name", "start"), [("out.html", "<!doctype html>"), ("out.txt", "modelmark audit\n"), ("out.json", "{")]
)
def test_the_ending_says_what_is_written(name, start, rows, tmp_path, run):
    ran = run("report", rows, "-o", tmp_path / name)
    assert (ran.status, ran.out) == (0, "")
    assert f"{name}: 149 rows" in ran.err
    assert (tmp_path / name).read_text().startswith(start)


def test_text_goes_to_stdout_and_a_format_goes_before_the_ending(rows, tmp_path, run):
    assert run("report", rows).out.startswith("modelmark audit\n")
    assert json.loads(run("report", rows, "--format", "json").out)["rows"] == 149
    assert run("report", rows, "-o", tmp_path / "page", "--format", "html").status == 0
    assert (tmp_path / "page").read_text().startswith("<!doctype html>")


def test_several_files_are_one_report(rows, tmp_path, run):
    more = written(tmp_path / "more.jsonl", [row(data="idx:mnist")])
    made = json.loads(run("report", rows, more, "--format", "json").out)
    assert [source["name"] for source in made["sources"]] == ["rows.jsonl", "more.jsonl"]
    assert [part["data"] for part in made["parts"]] == ["digits", "idx:mnist"]
    assert made["parts"][1]["cells"][0]["rows"] == ["2:1"]


def test_a_torn_line_is_left_out_with_a_warning(rows, run):
    with rows.open("a") as stream:
        stream.write('{"type": "modelmark.res')
    ran = run("report", rows)
    assert ran.status == 0
    assert "warning: rows.jsonl, line 150 has no end and was left out" in ran.err
    assert "torn and left out: rows.jsonl, line 150" in ran.out


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("", 2, "expected rows of an audit in bad.jsonl, got none"),
        ('{"torn', 2, "expected rows of an audit in bad.jsonl, got none"),
        (row().line() + "\nnonsense\n", 3, "bad.jsonl, line 2: expected a result"),
        (row().line().replace('"v": 1', '"v": 9', 1) + "\n", 3, "bad.jsonl, line 1: expected a line of type"),
    ],
)
def test_bad_files_are_one_line(text, status, said, tmp_path, run):
    (tmp_path / "bad.jsonl").write_text(text)
    ran = run("report", tmp_path / "bad.jsonl", "-o", tmp_path / "out.html")
    assert ran.status == status
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out.html").exists()


def test_what_cannot_be_done_is_refused_before_anything_is_read(rows, tmp_path, run):
    (tmp_path / "there.html").write_text("mine")
    ran = run("report", rows, "-o", tmp_path / "there.html")
    assert (ran.status, "exists" in ran.err) == (2, True)
    assert (tmp_path / "there.html").read_text() == "mine"
    assert run("report", rows, "-o", tmp_path / "none" / "out.html").status == 2
    assert run("report", rows, "-o", tmp_path / "out.pdf").status == 2
    assert "html" in run("report", rows, "--format", "htlm").err
    assert run("report", tmp_path / "absent.jsonl").status == 3
    assert run("report", tmp_path).status == 3


def test_a_report_needs_no_torch(rows, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from modelmark.cli import command_line\n"
        "for end in ('.html', '.json', '.txt'):\n"
        f"    command_line(['report'])(['report', {str(rows)!r}, '-o', {str(tmp_path / 'out')!r} + end], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.html").stat().st_size > 50_000
