"""``modelmark certify`` as it is typed."""

import json

import pytest
import torch

from modelmark.evidence.smoothing import distance
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.schemes.certified import Certified
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
FEW = ["--draws", 30, "--sigma", 1e-4]


@pytest.fixture
def folder(tmp_path):
    """An unmarked network, one with a mark that arithmetic put into its weights, a copy of that which was moved, and two keys."""
    model = build("mlp", (1, 8, 8), 10, seed=0)
    weights.save(model, tmp_path / "host.safetensors")
    for scheme in (Uchida(layer="fc2", bits=160), Certified(triggers=50)):
        key = keygen(scheme, model, FEED, secret=Secret(bytes(range(32))), owner=Provenance(arch="mlp"))
        keyfile.save(key, tmp_path / f"{scheme.name}.key", None)
        if scheme.name == "uchida":
            key.scheme.settle(model, key.carriers, key.mark().message)
            weights.save(model, tmp_path / "marked.safetensors")
            with torch.no_grad():
                model.head.bias[0] += 0.5
            weights.save(model, tmp_path / "moved.safetensors")
    return tmp_path


def test_what_is_proved_is_printed_with_all_that_it_depends_on(run, folder):
    marked = folder / "marked.safetensors"
    ran = run("certify", folder / "uchida.key", marked, *FEW, "--seed", 7, "--to", folder / "moved.safetensors")
    assert ran.status == 0
    first, noise, *levels, confidence, beyond = ran.out.splitlines()
    assert first == "uchida: 160/160 expected as it is; under noise 160/160 in the median"
    assert noise.startswith("noise: deviation 0.0001 on each of ")
    assert noise.endswith(" 30 draws, seed 7: 160 to 160")
    assert sum(": established at a bar of 64" in line for line in levels) == 1
    proved = distance(0, 30, 1e-4, 0.01 / len(levels))
    said = [float(line.split(" within a distance of ")[1].partition(":")[0]) for line in levels]
    assert said == pytest.approx([proved] * len(levels), rel=1e-3)
    assert max(said) <= proved
    assert confidence == "all of these together with a confidence of 99 %"
    assert beyond.endswith("is 0.5 away, beyond the distance at which the mark is established")
    assert "nothing of what one of them answers without noise" in ran.err


def test_machines_are_told_each_draw(run, folder):
    found = json.loads(run("certify", folder / "uchida.key", folder / "marked.safetensors", *FEW, "--json").out)
    assert (found["type"], found["under_noise"], found["sigma"]) == ("modelmark.certificate", [160] * 30, 1e-4)
    assert found["distance"] == next(
        level["distance"] for level in found["levels"] if level["matches"] == found["needed"]
    )


def test_a_network_without_the_mark_is_certified_nothing_by_the_keys_own_noise(run, folder):
    ran = run("certify", folder / "certified.key", folder / "host.safetensors", "--draws", 10)
    assert ran.status == 1
    assert "noise: deviation 0.03 " in ran.out
    assert "within a distance of 0: established at a bar of 64" in ran.out


def test_what_cannot_be_certified_is_one_line(run, folder):
    for words, says in [
        (["uchida.key", "marked.safetensors"], "expected a sigma, got none and a key of uchida"),
        (["uchida.key", "marked.safetensors", "--sigma", "-1"], "expected sigma above 0"),
        (["uchida.key", "marked.safetensors", "--sigma", "1", "--confidence", "1"], "a confidence between 0.5 and 1"),
        (["uchida.key", "nowhere.safetensors", "--sigma", "1"], "nowhere.safetensors"),
        (["uchida.key", "marked.safetensors", "--sigma", "1", "--arch", "cnn"], "expected"),
    ]:
        ran = run("certify", *(folder / word if "." in word and "-" not in word else word for word in words))
        assert ran.status in (2, 3)
        assert ran.out == ""
        assert says in ran.err.splitlines()[0]
