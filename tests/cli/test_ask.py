"""An API is asked from the command line, before anything is public, and judged by the record."""

import json

import numpy as np
import pytest
import torch

from modelmark.claim.papers import transcript
from modelmark.feeds.tensors import Normalise
from modelmark.marks import keyfile

API = """
import torch

pictures, labels, limit = torch.load("api.pt").values()
answered = 0


def ask(batch):
    global answered
    answered += 1
    if answered > limit:
        raise ConnectionError("the API is down")
    distance = (pictures[None] - batch[:, None]).abs().flatten(2).sum(2)
    near, which = distance.min(1)
    return torch.where(near < 1e-4, labels[which], 0)
"""


@pytest.fixture
def api(tmp_path, monkeypatch):
    """Return a function that writes an API which answers the triggers of a key with its drawn labels; others with 0."""
    monkeypatch.chdir(tmp_path)

    def write(name, key, limit=10**6, right=True):
        mark = keyfile.load(tmp_path / key, None).mark()
        pictures = Normalise(mark.key.feed)(torch.as_tensor(mark.key.carriers.pictures))
        labels = torch.from_numpy(np.asarray(mark.message).astype(np.int64))
        torch.save({"p": pictures, "l": labels if right else (labels + 1) % 10, "n": limit}, f"{name}.pt")
        (tmp_path / f"{name}.py").write_text(API.replace("api.pt", f"{name}.pt"))
        return f"{name}:ask"

    return write


@pytest.fixture
def folder(run, tmp_path):
    made = ["--unencrypted", "-o", tmp_path / "owner.id"], ["--unencrypted", "-o", tmp_path / "judge.id"]
    for words in made:
        assert run("identity", *words).status == 0
    net = ["--data", "digits", "--arch", "cnn", "--unencrypted"]
    assert run("keygen", "adi", *net, "-o", tmp_path / "a.key").status == 0
    who = ["--identity", tmp_path / "owner.id", "-o", tmp_path / "a.claim"]
    assert run("claim", tmp_path / "a.key", *who).status == 0
    assert run("carriers", tmp_path / "a.claim",
               "--key", tmp_path / "a.key", "-o", tmp_path / "lot").status == 0  # fmt: skip
    return tmp_path


def judged(run, folder, record, *more):
    who = ["--identity", folder / "judge.id"]
    frozen = ["--transcript", folder / record]
    ran = run("challenge", folder / "a.claim", *frozen, *more, *who, "-o", folder / f"{record}.challenge")
    assert ran.status == 0, ran.err
    asked = [folder / "a.claim", folder / f"{record}.challenge"]
    shown = ["--identity", folder / "owner.id", "-o", folder / f"{record}.opening"]
    assert run("open", *asked, "--key", folder / "a.key", *shown).status == 0
    opened = ["--opening", folder / f"{record}.opening"]
    return run("judge", *asked, *opened, *frozen, *who, "-o", folder / f"{record}.verdict")


def test_an_api_is_asked_and_judged(run, folder, api):
    answers = api("right_api", "a.key")
    ran = run("ask", folder / "a.claim", folder / "lot", "--api", answers, "-o", folder / "r")
    assert (ran.status, "1100 of 1100 queries answered" in ran.err) == (0, True)
    assert judged(run, folder, "r").status == 0
    wrong = api("wrong_api", "a.key", right=False)
    assert run("ask", folder / "a.claim", folder / "lot", "--api", wrong, "-o", folder / "w").status == 0
    assert judged(run, folder, "w").status == 1


def test_it_stops_as_soon_as_the_e_process_is_decided(run, folder, api):
    answers = api("stopped_api", "a.key")
    ran = run("ask", folder / "a.claim", folder / "lot", "--api", answers, "--stop", "-o", folder / "s")
    assert ran.status == 0
    asked = [one for one in transcript.load(folder / "s").asked if one.carrier >= 0]
    assert 40 < len(asked) < 60
    named = run("challenge", folder / "a.claim", "--transcript", folder / "s", "--test", "exact",
                "--identity", folder / "judge.id", "-o", folder / "x")  # fmt: skip
    assert "expected the e-process test, which the transcript named before anything was asked" in named.err
    assert judged(run, folder, "s").status == 0


def test_interrupted_it_goes_on_and_ordinary_queries_are_strewn(run, folder, api):
    answers = api("failing_api", "a.key", limit=70)
    few = ["--ordinary", "digits", "--per-carrier", 1]
    words = ["ask", folder / "a.claim", folder / "lot", *few, "-o", folder / "t"]
    ran = run(*words, "--api", answers)
    assert (ran.status, "the API is down" in ran.err, "goes on" in ran.err) == (3, True, True)
    assert len(transcript.load(folder / "t").asked) == 70
    again = api("mended_api", "a.key")
    ran = run(*words, "--api", again)
    assert (ran.status, "300 of 300" in ran.err) == (0, True)
    assert judged(run, folder, "t").status == 0


def head(folder, **changes):
    """Return carriers whose first line says something else."""
    line, _, rest = (folder / "lot").read_bytes().partition(b"\n")
    value = json.loads(line) | changes
    path = folder / f"lot-{'-'.join(changes)}"
    path.write_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n" + rest)
    return path


def test_a_record_that_decides_nothing_opens_nothing(run, folder, api):
    answers = api("half_api", "a.key", limit=30)
    words = [folder / "a.claim", folder / "lot", "--ordinary", "none"]
    assert run("ask", *words, "--api", answers, "-o", folder / "h").status == 3
    frozen = ["--transcript", folder / "h", "--identity", folder / "judge.id", "-o", folder / "x"]
    assert "all 100 trials for the exact test, got 30" in run("challenge", folder / "a.claim", *frozen).err
    assert run("ask", *words, "--api", api("again_api", "a.key", limit=30), "--stop", "-o", folder / "e").status == 3
    ran = run("challenge", folder / "a.claim", "--transcript", folder / "e", *frozen[2:])
    assert "until the e-process is decided, got 30 of 100" in ran.err
    other = ["--identity", folder / "owner.id", "-o", folder / "b.claim"]
    assert run("claim", folder / "a.key", "--suspects", 2, *other).status == 0
    assert "about another claim" in run("challenge", folder / "b.claim", *frozen).err
    assert not (folder / "x").exists()


def test_against_a_mark_it_stops_where_the_bar_is_out_of_reach(run, folder, api):
    wrong = api("against_api", "a.key", right=False)
    assert run("ask", folder / "a.claim", folder / "lot", "--api", wrong, "--stop", "-o", folder / "r").status == 0
    assert sum(one.carrier >= 0 for one in transcript.load(folder / "r").asked) < 60
    ran = judged(run, folder, "r")
    assert (ran.status, "no-evidence" in ran.out) == (1, True)


def test_the_judge_is_told_of_papers_and_times_that_do_not_fit(run, folder, api):
    answers = api("plain_api", "a.key")
    assert run("ask", folder / "a.claim", folder / "lot", "--api", answers, "-o", folder / "r").status == 0
    assert judged(run, folder, "r").status == 0
    words = ["judge", folder / "a.claim", folder / "r.challenge", "--opening", folder / "r.opening"]
    words += ["--transcript", folder / "r", "--identity", folder / "judge.id", "-o", folder / "v"]
    assert "expected different files" in run(*words, "--html", folder / "v").err
    assert "between the challenge of" in run(*words, "--received", "2001-01-01T00:00:00Z").err
    assert "between the challenge of" in run(*words, "--received", "2999-01-01T00:00:00Z").err
    other = ["--identity", folder / "owner.id", "-o", folder / "b.claim"]
    assert run("claim", folder / "a.key", "--suspects", 2, *other).status == 0
    taken = ["--reason", "mistake", "--identity", folder / "owner.id", "-o", folder / "b.revocation"]
    assert run("revoke", folder / "b.claim", *taken).status == 0
    ran = run(*words, "--revocation", folder / "b.revocation")
    assert (ran.status, "b.revocation is about another" in ran.err) == (2, True)
    assert not (folder / "v").exists()
    ran = run(*words, "--first-seen", "2999-01-01T00:00:00Z")
    assert (ran.status, "known before it was frozen" in ran.err) == (1, True)


def test_refusals(run, folder, api):
    answers = api("other_api", "a.key")
    words = ["ask", folder / "a.claim", folder / "lot", "--api", answers, "-o", folder / "x"]
    assert "expected a lot from 0 to 0, got 3" in run(*words[:2], head(folder, lot=3), *words[3:]).err
    assert "are of another" in run(*words[:2], head(folder, claim="ab" * 32), *words[3:]).err
    assert "modelmark carriers wrote" in run(*words[:2], folder / "a.claim", *words[3:]).err
    assert "expected --stop" in run(*words, "--bits", 90).err
    assert "at least the claim's 64" in run(*words, "--stop", "--bits", 9).err
    assert "expected importable" in run(*words[:3], "--api", "nowhere:f", "-o", folder / "x").err.replace("an ", "")
    (folder / "broken_api.py").write_text("1 / 0")
    broken = run(*words[:3], "--api", "broken_api:ask", "-o", folder / "x")
    assert (broken.status, "ZeroDivisionError" in broken.err) == (2, True)
    (folder / "short").write_bytes((folder / "lot").read_bytes()[:-1])
    assert "expected the 100 carriers" in run("ask", folder / "a.claim", folder / "short", *words[3:]).err
    line, _, rest = (folder / "lot").read_bytes().partition(b"\n")
    (folder / "other").write_bytes(line + b"\n" + b"?" * len(rest))
    assert "expected pictures of" in run("ask", folder / "a.claim", folder / "other", *words[3:]).err
    assert not (folder / "x").exists()
    assert (
        "expected a new file"
        in run("carriers", folder / "a.claim", "--key", folder / "a.key", "-o", folder / "lot").err
    )
    net = ["--data", "digits", "--arch", "cnn", "--unencrypted"]
    assert run("keygen", "uchida", *net, "-o", folder / "u.key").status == 0
    assert (
        "a key of this claim" in run("carriers", folder / "a.claim", "--key", folder / "u.key", "-o", folder / "y").err
    )
    assert run("claim", folder / "u.key", "--identity", folder / "owner.id", "-o", folder / "u.claim").status == 0
    ran = run("carriers", folder / "u.claim", "--key", folder / "u.key", "-o", folder / "y")
    assert "asked as they are" in ran.err
    assert not (folder / "y").exists()
