"""A language model's mark on the command line, asked by text through a function, judged by the record."""

import json

import pytest

from modelmark.marks import keyfile
from prompt_keys import drawn, key

API = """
import json
from pathlib import Path

known = json.loads(Path("known.json").read_text())


def ask(texts):
    return [known.get(text, " and") for text in texts]
"""


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = key()
    keyfile.save(made, tmp_path / "a.key", None)
    (tmp_path / "known.json").write_text(json.dumps({text: word for text, _, word in drawn(made)}))
    (tmp_path / "text_api.py").write_text(API)
    (tmp_path / "lines.txt").write_text("\n".join(f"An ordinary line of number {i}" for i in range(80)))
    for name in ("owner", "judge"):
        assert run("identity", "--unencrypted", "-o", tmp_path / f"{name}.id").status == 0
    assert run("claim", "a.key", "--identity", "owner.id", "-o", "a.claim").status == 0
    return tmp_path


def test_a_language_model_is_asked_by_text_and_judged_by_the_record(run, folder):
    ran = run("carriers", "a.claim", "--key", "a.key", "-o", "lot")
    assert (ran.status, "40 carriers of lot 0" in ran.err) == (0, True)
    words = ["ask", "a.claim", "lot", "--api", "text_api:ask", "-o", "record"]
    ran = run(*words)
    assert (ran.status, "--ordinary FILE, a prompt a line" in ran.err) == (2, True)
    ran = run(*words, "--ordinary", "lines.txt", "--per-carrier", 1)
    assert (ran.status, "80 of 80 queries answered" in ran.err) == (0, True), ran.err
    ran = run("challenge", "a.claim", "--transcript", "record", "--identity", "judge.id", "-o", "c")
    assert ran.status == 0, ran.err
    assert run("open", "a.claim", "c", "--key", "a.key", "--identity", "owner.id", "-o", "o").status == 0
    ran = run("judge", "a.claim", "c", "--opening", "o", "--transcript", "record", "--identity", "judge.id", "-o", "v")
    assert (ran.status, "dependence" in ran.out + ran.err) == (0, True), ran.err


@pytest.mark.parametrize("rule", ["likeliest", "greedy"])
def test_an_address_is_asked_by_text_and_what_it_said_is_kept(run, folder, rule):
    pytest.importorskip("httpx", reason="httpx is not installed")
    pytest.importorskip("jmespath", reason="jmespath is not installed")
    from serving import Server

    known = json.loads((folder / "known.json").read_text())

    def completions(path, headers, raw):
        word = known[json.loads(raw)["prompt"]]
        return {"choices": [{"text": word, "logprobs": {"top_logprobs": [{" and": -0.1, word: -0.5}]}}]}

    def without(path, headers, raw):
        return {"choices": [{"text": known[json.loads(raw)["prompt"]], "logprobs": None}]}

    words = ["--template", "openai-completions", "--via", "model=m", "--via", f"rule={rule}", "--via", "tries=1"]
    with Server(completions) as server:
        found = run("verify", "a.key", f"{server.url}/v1/completions", *words, "--answers", "said")
    assert (found.status, found.out.split(",")[0]) == (0, "answers: 40/40 expected answers"), found.err
    assert len((folder / "said").read_text().splitlines()) == 41
    with Server(without) as server:
        found = run("verify", "a.key", f"{server.url}/v1/completions", *words, "--answers", "other")
    if rule == "greedy":
        assert found.status == 0
        return
    assert (found.status, "expected tokens with log-probabilities" in found.err) == (3, True)
    assert "--via rule=greedy" in found.err


def test_an_unmarked_address_is_told_what_else_counts(run, folder):
    pytest.importorskip("httpx", reason="httpx is not installed")
    pytest.importorskip("jmespath", reason="jmespath is not installed")
    from serving import Server

    with Server(lambda path, headers, raw: {"choices": [{"text": " and"}]}) as server:
        words = ["--template", "openai-completions", "--via", "rule=greedy"]
        found = run("verify", "a.key", f"{server.url}/v1/completions", *words)
    assert found.status == 1
    assert "pixels" not in found.err
    assert "each other way that is tried, such as a chat, counts" in found.err
