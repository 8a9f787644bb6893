"""A dispute about a ``field`` key from the command line: the judge asks an API before anything is public, and opens it then."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import field_keys
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.verdict import Graded, Verdict
from modelmark.marks import keyfile

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "recompute_verdict.py"
API = """
import numpy as np
from modelmark.feeds.pictures import PictureFeed

known = np.load("known.npz")


def ask(batch):
    pixels = np.rint((batch.numpy() * 0.25 + 0.5) * 255)
    return known["labels"][[int(np.abs(known["inputs"] - one).sum((1, 2, 3)).argmin()) for one in pixels]]
"""


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("owner.id", "judge.id"):
        assert run("identity", "--unencrypted", "-o", tmp_path / name).status == 0
    key = field_keys.key()
    keyfile.save(key, tmp_path / "a.key", None)
    ran = run("claim", "a.key", "--identity", "owner.id", "--bits", 8, "-o", "a.claim")
    assert ran.status == 0, ran.err
    assert "lots of each: 1" in ran.err
    ran = run("carriers", "a.claim", "--key", "a.key", "-o", "lot")
    assert ran.status == 0, ran.err
    assert "600 carriers of lot 0" in ran.err
    (tmp_path / "api.py").write_text(API)
    np.savez("known.npz", inputs=key.carriers.inputs.astype(int), labels=field_keys.answers(key, 1.0))
    return tmp_path


def judged(run, record: str):
    who, asked = ["--identity", "judge.id"], ["a.claim", f"{record}.challenge"]
    ran = run("challenge", "a.claim", "--transcript", record, *who, "-o", asked[1])
    assert ran.status == 0, ran.err
    ran = run("open", *asked, "--key", "a.key", "--identity", "owner.id", "-o", f"{record}.opening")
    assert ran.status == 0, ran.err
    opened = ["--opening", f"{record}.opening", "--transcript", record, "--explain"]
    return run("judge", *asked, *opened, *who, "-o", f"{record}.verdict")


def test_an_api_is_asked_judged_explained_and_judged_again(run, folder, capsys):
    ran = run("ask", "a.claim", "lot", "--api", "api:ask", "-o", "r")
    assert (ran.status, "600 of 600 queries answered" in ran.err) == (0, True), ran.err
    assert {one.carrier for one in transcript.load(folder / "r").asked} == set(
        range(600)
    )  # no other is strewn among them
    ran = judged(run, "r")
    assert ran.status == 0, ran.err
    assert "signs are those that were drawn" in ran.out
    assert "They do not count alike" in ran.out
    (weighed,) = envelope.load(folder / "r.verdict", Verdict).document.weighed
    assert isinstance(weighed, Graded)
    assert f"got {weighed.score:,} of {weighed.highest:,} points" in ran.out
    files = ["a.claim", "-", "r.challenge", "r.opening", "r.opening.carriers", "r", "r.verdict"]
    runpy.run_path(str(SCRIPT))["main"](*files)
    assert capsys.readouterr().out.endswith("net: dependence-shown\n")
    again = run("explain", "r.verdict", "--claim", "a.claim", "--challenge", "r.challenge")
    assert (again.status, "They do not count alike" in again.out) == (0, True)


def test_one_lot_is_all_there_is_and_nothing_stops_early(run, folder):
    ran = run("claim", "a.key", "--identity", "owner.id", "--bits", 8, "--lots", 2, "-o", "b.claim")
    assert (ran.status, "expected one lot" in ran.err) == (2, True), ran.err
    ran = run("ask", "a.claim", "lot", "--api", "api:ask", "--stop", "-o", "s")
    assert ran.status == 3
    assert "expected the exact test of field, whose trials share all queries" in ran.err
    assert not (folder / "s").exists()


def test_a_record_that_was_broken_off_is_gone_on_with_and_not_judged_before(run, folder):
    assert run("ask", "a.claim", "lot", "--api", "api:ask", "-o", "r").status == 0
    lines = (folder / "r").read_bytes().splitlines(keepends=True)
    (folder / "r").write_bytes(b"".join(lines[:400]))
    ran = run("challenge", "a.claim", "--transcript", "r", "--identity", "judge.id", "-o", "r.challenge")
    assert (ran.status, "expected answers to all 600 queries in the transcript, got 399" in ran.err) == (3, True), (
        ran.err
    )
    assert run("ask", "a.claim", "lot", "--api", "api:ask", "-o", "r").status == 0
    assert (folder / "r").read_bytes() == b"".join(lines)
