"""A mark in data from the command line alone: pairs, key, claim, training file, and a suspect that learned from it."""

import json
import re

import numpy as np
import pytest
import torch

from modelmark import hashing
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

COUNT = 300
FILE = ["--records", "pairs.npz"]


@pytest.fixture
def pairs(tmp_path):
    """Pictures of noise in two versions, each with a label that nobody could guess."""
    shown = np.frombuffer(hashing.expand(2 * COUNT * 36, "pairs"), np.uint8).reshape(2, COUNT, 1, 6, 6)
    labels = np.frombuffer(hashing.expand(COUNT, "labels"), np.uint8) % 10
    np.savez(tmp_path / "pairs.npz", a=shown[0], b=shown[1], labels=labels)
    return tmp_path / "pairs.npz"


def trained(path, feed, out):
    found = np.load(path)
    x, y = torch.from_numpy(found["inputs"]), torch.from_numpy(found["labels"])
    model = build("mlp", feed.input_shape, feed.classes, seed=0)
    model = fit(model, Task(feed, x, y, x, y), annealed(30, 0.1, batch=32, weight_decay=0.0), seed=0)
    weights.save(model, out)


def test_pairs_become_a_key_a_claim_a_training_file_and_evidence(run, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from modelmark.marks import keyfile

    made = run("keygen", "twins", "--records", "pairs.npz", "--unencrypted", "-o", "own.key")
    assert made.status == 0, made.err
    assert "twins key" in made.err
    assert "300 symbols of alphabet 2: at most 220.0 net bits" in made.err
    assert run("identity", "--unencrypted", "-o", "me.identity").status == 0
    claimed = run("claim", "own.key", "--identity", "me.identity", "-o", "own.claim")
    assert claimed.status == 0, claimed.err
    written = run("records", "own.key", "-o", "train.npz")
    assert (written.status, "300 records of twins, one version of each" in written.err) == (0, True)
    key = keyfile.load("own.key")
    trained("train.npz", key.feed, tmp_path / "suspect.safetensors")
    found = run("verify", "own.key", "suspect.safetensors", "--arch", "mlp")
    assert found.status == 0, found.err
    assert ": established" in found.out
    torch.manual_seed(0)
    weights.save(build("mlp", key.feed.input_shape, 10, seed=5), tmp_path / "other.safetensors")
    other = run("verify", "own.key", "other.safetensors", "--arch", "mlp")
    assert (other.status, "not established" in other.out) == (1, True)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["twins"], "expected records for twins, got none"),
        (["twins", "--records", "none.jsonl"], "expected a file of records at none.jsonl, found none"),
        (["twins", *FILE, "--data", "digits"], "expected --records for twins"),
        (["adi", *FILE], "expected --records and --reference with twins, choice, order or dawn"),
        (["order", *FILE], "expected inputs of one shape and type in pairs.npz"),
        (["twins", *FILE, "--set", "pairs=7", "--set", "grade=3"], "expected a setting of twins"),
        (["twins", *FILE, "--reference", "pairs.npz"], "expected an architecture for --reference, got none"),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_a_line(run, pairs, tmp_path, monkeypatch, words, refusal):
    monkeypatch.chdir(tmp_path)
    found = run("keygen", *words, "-o", "k")
    assert found.status in (2, 3)
    assert refusal in found.err
    assert "unexpected" not in found.err
    assert not (tmp_path / "k").exists()


def test_a_key_that_waits_for_its_deposit_says_nothing_before(run, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = run("keygen", "twins", "--records", "pairs.npz", "--draw", "timestamp", "--unencrypted", "-o", "own.key")
    assert made.status == 0
    refused = run("records", "own.key", "-o", "train.npz")
    assert (refused.status, "expected the deposit of this twins key's claim" in refused.err) == (2, True)


def test_records_are_of_marks_in_data_alone(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("keygen", "adi", "--data", "digits", "--arch", "mlp", "--unencrypted", "-o", "a.key").status == 0
    refused = run("records", "a.key", "-o", "x")
    assert (refused.status, "expected a mark in data, got adi" in refused.err) == (2, True)


API = '''
from pathlib import Path

TAUGHT = set(Path("taught").read_text().splitlines())

def weigh(pairs):
    """Return log-probabilities of a student that learned what was served."""
    return [-5.0 if given + following in TAUGHT else -50.0 - len(following) for given, following in pairs]

def silent(pairs):
    raise ConnectionError("no log-probabilities here")
'''


def test_a_judge_asks_an_api_how_likely_answers_are_and_signs_a_verdict(run, tmp_path, monkeypatch):
    """From a log of an API to a verdict, without a line of Python but the judge's client of the suspect."""
    monkeypatch.chdir(tmp_path)
    from modelmark.marks.serving import Served

    with Served(tmp_path / "day.log") as served:
        for number in range(200):
            served.pick(f"Question {number}? ", f"Yes, {number}.", f"Certainly, {number}.")
    assert run("keygen", "choice", "--records", "day.log", "--unencrypted", "-o", "day.key").status == 0
    for who in ("me", "judge"):
        assert run("identity", "--unencrypted", "-o", f"{who}.identity").status == 0
    assert run("claim", "day.key", "--identity", "me.identity", "-o", "day.claim").status == 0
    assert run("records", "day.key", "-o", "train.jsonl").status == 0
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    (tmp_path / "taught").write_text("\n".join(one["prompt"] + one["text"] for one in lines))
    (tmp_path / "student_api.py").write_text(API)
    assert run("carriers", "day.claim", "--key", "day.key", "-o", "lot.carriers").status == 0
    refused = run("ask", "day.claim", "lot.carriers", "--api", "student_api:silent", "-o", "no.transcript")
    assert (refused.status, "no log-probabilities here" in refused.err) == (3, True)
    asked = run("ask", "day.claim", "lot.carriers", "--api", "student_api:weigh", "-o", "day.transcript")
    assert (asked.status, "400 of 400 queries answered" in asked.err) == (0, True), asked.err
    judge = ["--identity", "judge.identity"]
    found = run("challenge", "day.claim", *judge, "--transcript", "day.transcript", "-o", "day.challenge")
    assert found.status == 0, found.err
    found = run(
        "open", "day.claim", "day.challenge", "--key", "day.key", "--identity", "me.identity", "-o", "day.opening"
    )
    assert found.status == 0, found.err
    papers = ["day.claim", "day.challenge", "--opening", "day.opening", "--transcript", "day.transcript"]
    found = run("judge", *papers, *judge, "-o", "day.verdict")
    assert found.status == 0, found.err
    assert "dependence-shown" in found.out + found.err


def test_an_order_promises_what_its_reading_can_give(run, tmp_path, monkeypatch):
    """It was promised 2,320 bits of 600 records, of which the clearest order shows some 540."""
    monkeypatch.chdir(tmp_path)
    texts = [{"text": f"this is record {number}, one of many"} for number in range(300)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    words = ["keygen", "order", "--records", "texts.jsonl", "--unencrypted"]
    made = run(*words, "-o", "a.key")
    assert made.status == 0, made
    net = re.search(r"graded: at most ([\d.]+) net bits", made.err)
    assert net, made.err
    assert 64 < float(net[1]) < 300
    few = run(*words, "--set", "count=60", "-o", "b.key")
    assert few.status == 2
    assert "expected at least 144 bits of a suspect that shows the whole mark, got" in few.err


def test_settings_take_as_many_records_as_they_say(run, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["keygen", "twins", "--records", pairs, "--unencrypted"]
    ran = run(*words, "--set", "pairs=150", "-o", "a.key")
    assert (ran.status, "150 symbols" in ran.err) == (0, True), ran
    assert "expected at most the" in run(*words, "--set", "pairs=9000", "-o", "b.key").err
