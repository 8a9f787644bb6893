"""What ``keygen`` says against a key that it makes all the same: one line each, and none where there is nothing to say."""

import re

import numpy as np
import pytest

from modelmark import data
from modelmark.models import ARCHITECTURES
from modelmark.schemes import names_for
from modelmark.schemes.adi import Adi
from modelmark.schemes.base import Cautious
from modelmark.suspects import weights

NET = ["--arch", "cnn", "--data", "digits", "--unencrypted"]


def warned(ran) -> list[str]:
    assert (ran.status, ran.out) == (0, ""), ran
    *cautions, last = ran.err.splitlines()
    if cautions and cautions[0].startswith("modelmark: a field of another draw: "):  # what it comes to is no warning
        cautions = cautions[1:]
    assert not last.startswith("modelmark: warning: ")
    assert all(line.startswith("modelmark: warning: ") for line in cautions)
    return cautions


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["deepsigns-blackbox", "--set", "keys=52"],
            "in an untrained network, where rare means little; name a trained one",
        ),
        (["coupled", "--set", "fusion=overlay"], "only all 45 symbols together reach 64 bits"),
        (["deepsigns", "--set", "bits=16"], "only 2 of all 160 symbols may be lost before 64 bits are"),
        (["null", "--set", "side=8"], "a pattern of side 8 covers the whole picture"),
        (["adi", "--set", "triggers=44"], "only all 44 symbols together reach 64 bits"),
    ],
)
def test_a_key_that_will_be_hard_is_made_with_a_warning(words, says, run, tmp_path):
    (line,) = warned(run("keygen", *words, *NET, "-o", tmp_path / "a.key"))
    assert says in line
    assert (tmp_path / "a.key").exists()


def test_few_classes_ask_for_many_layouts(run, tmp_path):
    digits = data.load("digits")
    parts = {}
    for part in ("train", "test"):
        images, labels = getattr(digits, f"{part}_images"), getattr(digits, f"{part}_labels")
        parts |= {f"{part}_images": images[labels < 3], f"{part}_labels": labels[labels < 3]}
    np.savez(tmp_path / "three.npz", **parts)
    net = ["--arch", "cnn", "--data", f"npz:{tmp_path}/three.npz", "--unencrypted"]
    (line,) = warned(run("keygen", "coupled", *net, "-o", tmp_path / "b.key"))
    assert "3 classes have so few pairs that each is asked in 21 layouts" in line


@pytest.mark.parametrize("scheme", names_for("pictures"))
def test_the_defaults_of_no_scheme_are_warned_of(scheme, run, tmp_path, unmarked):
    weights.save(unmarked, tmp_path / "host.safetensors")
    host = ["--host", tmp_path / "host.safetensors"]
    few = ["--set", "queries=300"] if scheme == "field" else []  # the digits have 355 to test with
    cautions = warned(run("keygen", scheme, *NET, *host, *few, "-o", tmp_path / "a.key"))
    if scheme == "field":  # 300 pictures of digits, of which the host is sure, bear few bits
        assert "144 gross bits make evidence, so this key is likely none" in cautions.pop()
    assert cautions == []


@pytest.mark.parametrize(
    "words", [["null", "--set", "side=7"], ["adi", "--set", "triggers=50"], ["coupled", "--set", "fusion=overlay", "--set",
     "ratio=0.75"]]
)  # fmt: skip
def test_a_little_room_is_enough(words, run, tmp_path):
    assert warned(run("keygen", *words, *NET, "-o", tmp_path / "a.key")) == []


def test_a_self_check_or_an_observation_has_no_bar_to_miss(run, tmp_path):
    words = ["adi", "--set", "triggers=20", "--self-check"]
    assert warned(run("keygen", *words, *NET, "-o", tmp_path / "a.key")) == []
    assert warned(run("keygen", "coupled", "--set", "message=literal", *NET, "-o", tmp_path / "b.key")) == []


FEWER = {
    "adi": "triggers=20", "coupled": "symbols=20", "deepsigns": "bits=5", "deepsigns-blackbox": "keys=20", "null": "patterns=20",
    "spread": "bits=100", "uchida": "bits=100",
}  # fmt: skip


@pytest.mark.parametrize("scheme", sorted(FEWER))
def test_who_asked_for_too_few_symbols_is_told_what_to_type(scheme, run, tmp_path):
    words = ["keygen", scheme, *NET, "-o", tmp_path / "a.key"]
    refused = run(*words, "--set", FEWER[scheme])
    assert refused.status == 2, refused
    ways = refused.err.splitlines()[1]
    typed = re.search(r"hint: (--set \w+=\d+); (--draw timestamp)", ways)
    assert typed, ways
    assert run(*words, *typed[1].split()).status == 0


_OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.deep, self.head = nn.Conv2d(1, 12, 3), nn.Conv2d(12, 12, 1), nn.Linear(12, 10)
        self.gamma = nn.Parameter(torch.ones(12, 1, 1))

    def forward(self, x):
        return self.head((self.gamma * self.deep(torch.relu(self.stem(x)))).mean((2, 3)))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A narrow network with a parameter outside of its layers, as ConvNeXt has them, and its weights."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(_OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    network = __import__(name).Net()
    weights.save(network, tmp_path / "host.safetensors")
    return ["--arch", f"{name}:Net", "--data", "digits", "--unencrypted"]


def test_no_setting_is_proposed_that_would_be_refused_in_its_turn(own, run, tmp_path):
    refused = run("keygen", "uchida", *own, "-o", tmp_path / "a.key")
    assert refused.status == 2, refused
    hint = refused.err.splitlines()[-1]
    assert "this network has no room for more than 6 bits in deep" in hint
    assert "spread" in hint
    assert "--set bits" not in hint
    typed = run("keygen", "uchida", *own, "--set", "bits=144", "-o", tmp_path / "a.key")  # what it proposed of old
    assert "expected at most 24 bits" in typed.err


def test_a_host_to_which_nothing_can_be_aligned_is_told_when_the_key_is_made(own, run, tmp_path):
    host = ["--host", tmp_path / "host.safetensors", "--self-check"]
    (line,) = warned(run("keygen", "uchida", *own, *host, "-o", tmp_path / "a.key"))
    assert "suspects cannot be aligned to this host" in line
    assert line.endswith("got a parameter used outside a layer at gamma")  # as the file calls it
    assert warned(run("keygen", "adi", *own, *host[:2], "-o", tmp_path / "b.key")) == []  # read by answers


def test_a_scheme_may_have_nothing_to_say(run, tmp_path):
    assert not isinstance(Adi(), Cautious)
    assert warned(run("keygen", "adi", *NET, "-o", tmp_path / "a.key")) == []


def test_help_names_every_architecture(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = " ".join(run("keygen", "--help").out.split("Architectures:")[1].split())
    assert [name for name in ARCHITECTURES if f" {name}," not in shown] == []
