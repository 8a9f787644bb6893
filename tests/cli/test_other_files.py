"""One file in the place of another: whoever mixes them up reads what it is."""

import numpy as np
from safetensors.numpy import save_file

from modelmark.suspects.files.foreign import named

NET = ["--data", "digits", "--arch", "cnn"]
CASES = {
    "a key for weights": (["verify", "a.key", "o.id"], 3, "expected weights in o.id, got an identity"),
    "a document for weights": (["verify", "a.key", "a.claim"], 3, "expected weights in a.claim, got a signed document"),
    "weights for a key": (["embed", "w.safetensors", "-o", "x"], 3, "w.safetensors is weights"),
    "an identity for a key": (["claim", "o.id", "--identity", "o.id", "-o", "x"], 3, "o.id is an identity"),
    "a key for an identity": (["claim", "a.key", "--identity", "a.key", "-o", "x"], 3, "a.key is a key"),
    "a key for a document": (["explain", "a.key"], 3, "expected a verdict, got a key (a.key)"),
    "weights for results": (["report", "w.safetensors"], 3, "expected results of an audit in w.safetensors, got weights"),
    "no grid": (["audit", "nosuch.toml", "-o", "x"], 2, "expected a grid in TOML at nosuch.toml, found none"),
    "a file of code": (["keygen", "adi", "--data", "digits", "--arch", "./n.py:net", "-o", "x", "--unencrypted"], 2,
                       "expected module:name, got the file './n.py'"),
    "no such option": (["verify", "--nosuch"], 2, "hint: see modelmark verify --help"),
    "no such recipe": (["embed", "a.key", "--release", "nosuch", "-o", "x"], 2, "expected a released recipe, got 'nosuch'"),
}  # fmt: skip


def test_what_it_is_is_said(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("keygen", "adi", *NET, "--unencrypted", "-o", "a.key").status == 0
    assert run("identity", "--unencrypted", "-o", "o.id").status == 0
    assert run("claim", "a.key", "--identity", "o.id", "-o", "a.claim").status == 0
    save_file({"weight": np.zeros((2, 2), np.float32)}, "w.safetensors")
    for case, (words, status, said) in CASES.items():
        ran = run(*words)
        assert (case, ran.status, said in ran.err) == (case, status, True), ran
        assert not (tmp_path / "x").exists()


def test_json_that_is_nobodys_is_json():
    assert named(b'{"weights": 1}')[0] == "JSON"
