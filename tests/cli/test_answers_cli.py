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
