"""DeepSigns, coupled and null marks from the command line, several keys at once, and suspects put in their host's order."""

import json
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from modelmark import cli, data
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed

NET = ["--arch", "cnn", "--data", "digits", "--unencrypted"]
SUSPECT = ["--arch", "cnn", "--data", "digits"]


def command(*words: object) -> None:
    with patch.object(sys, "argv", ["modelmark", *map(str, words)]), pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code


def chosen(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


SMALL = {
    "uchida": chosen("bits=200", "strength=0.1"),
    "deepsigns-blackbox": chosen("keys=52", "per_hundred=25"),
    "coupled": chosen("symbols=52", "queries=3", "repeats=60"),
}
"""Enough for evidence, and quick to embed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, unmarked) -> Path:
    """An unmarked host, a model with the marks of two of its keys, two attacked copies, and a key of no model."""
    folder = tmp_path_factory.mktemp("schemes")
    host, marked = folder / "host.safetensors", folder / "marked.safetensors"
    weights.save(unmarked, host)
    keys = [folder / f"{scheme}.key" for scheme in ("uchida", "deepsigns-blackbox")]
    for key in keys:
        command("keygen", key.stem, *NET, *SMALL[key.stem], "--host", host, "-o", key)
    command("keygen", "deepsigns", *NET, "--host", host, "-o", folder / "deepsigns.key")
    command("embed", *keys, "--weights", host, "--epochs", 8, "-o", marked)
    for attack in ("permute", "dummy"):
        command("attack", attack, "--weights", marked, *SUSPECT, "-o", folder / f"{attack}.safetensors")
    return folder


@pytest.fixture(scope="module")
def other_file(folder) -> Path:
    """Weights of another architecture."""
    weights.save(build("mlp", (1, 8, 8), 10, seed=0), folder / "mlp.safetensors")
    return folder / "mlp.safetensors"


def refused(ran, status: int, *words: str) -> None:
    """Nothing but one line of error, and perhaps a hint."""
    assert (ran.status, ran.out) == (status, ""), ran
    error, *hints = ran.err.splitlines()
    assert error.startswith("modelmark: error: expected ")
    assert len(hints) <= 1
    assert all(hint.startswith("modelmark: hint: ") for hint in hints)
    for word in words:
        assert word in ran.err


# One scheme


def test_noise_from_rarely_explored_regions_is_established_in_the_model_marked_with_it(run, folder):
    verify = ["verify", folder / "deepsigns-blackbox.key", "--weights"]
    ran = run(*verify, folder / "marked.safetensors")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("deepsigns-blackbox: 52/52 expected answers, ")
    assert run(*verify, folder / "host.safetensors").status == 1


@pytest.fixture(scope="module")
def perceptron_file(tmp_path_factory, digits) -> Path:
    """An unmarked ``mlp``, which trains in a third of the time of ``cnn``."""
    file = tmp_path_factory.mktemp("perceptron") / "host.safetensors"
    weights.save(fit(build("mlp", (1, 8, 8), 10, seed=0), digits, annealed(10, 0.1, batch=64, clip=1.0), seed=0), file)
    return file


@pytest.mark.parametrize(
    ("scheme", "hosted", "epochs"),
    [
        ("null", False, 8),
        pytest.param("deepsigns", True, 12, marks=pytest.mark.slow),
        pytest.param("coupled", True, 15, marks=pytest.mark.slow),
    ],
)
def test_a_key_is_made_embedded_and_established(scheme, hosted, epochs, run, perceptron_file, tmp_path):
    key, marked, host = tmp_path / "a.key", tmp_path / "marked.safetensors", perceptron_file
    net = ["--arch", "mlp", "--data", "digits", "--unencrypted"]
    assert run("keygen", scheme, *net, *SMALL.get(scheme, []), "-o", key).status == 0
    given = ["--weights", host] if hosted else []
    ran = run("embed", key, *given, "--epochs", epochs, "-o", marked)
    assert ran.status == 0, ran
    assert f"{scheme} " in ran.err
    ran = run("verify", key, "--weights", marked)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{scheme}: ")
    assert ": established" in ran.out
    ran = run("verify", key, "--weights", host)
    assert ran.status == 1
    assert ": not established" in ran.out


@pytest.mark.parametrize(
    ("scheme", "settings", "why"),
    [
        ("deepsigns", ["message=secret"], "the bits come from the key"),
        ("deepsigns-blackbox", ["message=secret"], "pictures are selected after their labels are known"),
        ("coupled", ["message=literal"], "all triggers share one label"),
        ("null", ["message=signature"], "one pattern is one trial"),
        pytest.param(
            "null",
            ["message=signature", "signature=rsa3072", "owner=Emmy Noether"],
            "one pattern is one trial",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_literal_key_is_an_observation_beside_unmarked_models(scheme, settings, why, run, folder, tmp_path):
    ran = run("keygen", scheme, *NET, *chosen(*settings), "-o", tmp_path / "a.key")
    assert ran.status == 0
    assert f"no exact test: {why}" in ran.err
    verify = ["verify", tmp_path / "a.key", "--weights", folder / "marked.safetensors"]
    ran = run(*verify)
    assert ran.status == 1
    assert f"no exact test: {why}" in ran.out
    assert "unmarked models: not measured: not established" in ran.out
    others = ["--unmarked", folder / "host.safetensors", "--unmarked", folder / "permute.safetensors"]
    ran = run(*verify, *others, "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["type"], len(found["reference"])) == (1, "modelmark.observation", 2)
    low, high = (f"{rate:.0%}" for rate in (min(found["reference"]), max(found["reference"])))
    assert f"; unmarked models: {low} to {high}: not established\n" in run(*verify, *others).out


# Several keys


def test_several_keys_have_a_line_each_and_one_together(run, folder):
    keys = [folder / f"{scheme}.key" for scheme in ("uchida", "deepsigns-blackbox")]
    ran = run("verify", *keys, "--weights", folder / "marked.safetensors")
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["uchida", "deepsigns-blackbox", "together"]
    assert lines[-1].startswith("together: net ")
    assert lines[-1].endswith(" bits: established")
    assert (ran.status, ran.err) == (0, "")
    found = json.loads(run("verify", *keys, "--weights", folder / "marked.safetensors", "--json").out)
    assert (found["type"], found["method"], found["verdict"]) == (
        "modelmark.evidence.combined",
        "fisher",
        "established",
    )
    assert [part["scheme"] for part in found["parts"]] == ["uchida", "deepsigns-blackbox"]
    nets = [part["net_bits"] for part in found["parts"]]
    assert max(nets) < found["net_bits"] < sum(nets)
    ran = run("verify", *keys, "--weights", folder / "host.safetensors")
    assert ran.status == 1
    assert ran.out.splitlines()[-1] == "together: net 0.0 bits: not established"


def test_a_key_that_is_not_in_the_model_costs_the_others_little(run, folder):
    keys = [folder / f"{scheme}.key" for scheme in ("deepsigns", "uchida", "deepsigns-blackbox")]
    ran = run("verify", *keys, "--weights", folder / "marked.safetensors")
    assert ran.status == 0
    verdicts = [line.rsplit(": ", 1)[1] for line in ran.out.splitlines()]
    assert verdicts == ["not established", "established", "established", "established"]


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_one_key_twice_is_not_twice_the_evidence(json_too, run, folder, tmp_path):
    again = tmp_path / "again.key"
    again.write_bytes((folder / "uchida.key").read_bytes())
    keys = [folder / "uchida.key", folder / "deepsigns.key", again]
    refused(run("verify", *keys, "--weights", folder / "marked.safetensors", *json_too), 2, "same root twice")


# A suspect in another order


def test_reordered_channels_are_put_back_by_the_committed_host(run, folder):
    verify = ["verify", folder / "uchida.key", "--weights", folder / "permute.safetensors"]
    assert run(*verify).status == 1
    ran = run(*verify, "--align-to", folder / "host.safetensors", "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["verdict"]) == (0, "established")
    assert found["charges"][1] == {"reason": "8 readings tried", "bits": 3.0}
    ran = run("verify", folder / "uchida.key", "--weights", folder / "host.safetensors", "--align-to",
              folder / "host.safetensors")  # fmt: skip
    assert ran.status == 1


def test_added_channels_are_taken_out_and_other_keys_are_read_beside(run, folder):
    keys = [folder / "uchida.key", folder / "deepsigns-blackbox.key"]
    wider = ["--weights", folder / "dummy.safetensors"]
    refused(run("verify", keys[0], *wider), 3, "expected the marked layer to average to M = 576 weights")
    assert run("verify", keys[0], *wider, "--align-to", folder / "host.safetensors").status == 0
    ran = run("verify", *keys, *wider, "--align-to", folder / "host.safetensors")
    assert (ran.status, ran.err) == (0, "")
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["uchida", "deepsigns-blackbox", "together"]
    assert all(line.endswith(": established") for line in ran.out.splitlines())


def test_a_mark_that_cannot_be_read_hides_none_that_can(run, folder):
    keys = [folder / "deepsigns-blackbox.key", folder / "uchida.key"]
    ran = run("verify", *keys, "--weights", folder / "dummy.safetensors")
    lines = ran.out.splitlines()
    assert ran.status == 0
    assert lines[0].endswith(": established")
    assert lines[1].startswith("uchida: 0/200 expected bits, 0.0 bits (net 0.0): not established; not readable: ")
    alone = run("verify", keys[0], "--weights", folder / "dummy.safetensors", "--json")
    together = json.loads(run("verify", *keys, "--weights", folder / "dummy.safetensors", "--json").out)
    assert together["net_bits"] < json.loads(alone.out)["net_bits"], (
        "a key that was named beforehand counts, read or not"
    )
    white = [folder / "uchida.key", folder / "deepsigns.key"]
    refused(
        run("verify", *white, "--weights", folder / "dummy.safetensors"),
        3,
        "expected the marked layer to average to M = 576 weights",
    )


def test_another_architecture_hides_no_answers_and_the_host_stays_the_keys_own(run, folder, other_file):
    keys = [folder / "deepsigns-blackbox.key", folder / "uchida.key"]
    host = ["--align-to", folder / "host.safetensors"]
    for aligned in ([], host):
        ran = run("verify", *keys, "--weights", other_file, "--arch", "mlp", *aligned)
        assert ran.status == 1
        lines = ran.out.splitlines()
        assert lines[0].startswith("deepsigns-blackbox: ")
        assert "not established; not readable: " in lines[1]
    wrong = ["--weights", folder / "marked.safetensors", "--align-to", folder / "dummy.safetensors"]
    refused(run("verify", *keys, *wrong), 3, "expected the unmarked host that the key committed to before the draw")


@pytest.mark.slow  # added channels above, and unit/test_align.py, are for every day
def test_channels_that_were_cut_are_filled_up_by_the_committed_host(run, folder, tmp_path):
    pytest.importorskip("torch_pruning", reason="needs the extra 'attacks'")
    thinner = tmp_path / "thinner.safetensors"
    cut = ["--set", "amount=0.1", "--set", "epochs=1", "-o", thinner]
    assert run("attack", "prune-channels", "--weights", folder / "marked.safetensors", *SUSPECT, *cut).status == 0
    verify = ["verify", folder / "uchida.key", "--weights", thinner]
    refused(run(*verify), 3, "expected the marked layer to average to M = 576 weights", "undone by --align-to HOST")
    assert run(*verify, "--align-to", folder / "host.safetensors").status == 0
    host = ["--align-to", folder / "host.safetensors"]
    assert run("attack", "prune-channels", "--weights", folder / "host.safetensors", *SUSPECT, *cut[:-1],
               tmp_path / "unmarked.safetensors").status == 0  # fmt: skip
    assert run(*verify[:-1], tmp_path / "unmarked.safetensors", *host).status == 1


def test_nothing_is_aligned_to_a_model_that_was_not_committed(run, folder, tmp_path):
    suspect = ["--weights", folder / "permute.safetensors"]
    ran = run("verify", folder / "uchida.key", *suspect, "--align-to", folder / "marked.safetensors")
    refused(ran, 3, "expected the unmarked host that the key committed to before the draw", "knows the message")
    key = tmp_path / "hostless.key"
    assert run("keygen", "uchida", *NET, "-o", key).status == 0
    ran = run("verify", key, *suspect, "--align-to", folder / "host.safetensors")
    refused(ran, 3, "this uchida key was made without one", "keygen --host")


def test_a_black_box_key_alone_has_nothing_to_align(run, folder):
    ran = run("verify", folder / "deepsigns-blackbox.key", "--weights", folder / "permute.safetensors", "--align-to",
              folder / "host.safetensors")  # fmt: skip
    refused(ran, 2, "expected --align-to with a white-box scheme, got deepsigns-blackbox")


@pytest.mark.parametrize(
    ("suspect", "host", "arch", "says"),
    [
        ("mlp", "host", [], "(mlp.safetensors, to be aligned to host.safetensors)"),
        ("permute", "mlp", [], "weights in mlp.safetensors"),
        ("mlp", "host", ["--arch", "mlp"], "(mlp.safetensors, to be aligned to host.safetensors)"),
        ("mlp", "mlp", ["--arch", "mlp"], "committed to before the draw, got other weights in mlp.safetensors"),
        ("nowhere", "host", [], "nowhere.safetensors"),
        ("permute", "nowhere", [], "nowhere.safetensors"),
    ],
)
def test_networks_of_two_kinds_are_not_aligned(suspect, host, arch, says, run, folder, other_file):
    suspect_file, host_file = (folder / f"{name}.safetensors" for name in (suspect, host))
    ran = run("verify", folder / "uchida.key", "--weights", suspect_file, "--align-to", host_file, *arch)
    refused(ran, 3, says)


def test_a_copy_that_cannot_be_aligned_is_read_as_it_is_and_that_is_said(run, folder):
    """Another architecture was typed; the marked layer is in the file under its name all the same."""
    host = ["--align-to", folder / "host.safetensors", "--arch", "mlp"]
    for suspect, status in (("permute", 1), ("marked", 0)):
        ran = run("verify", folder / "uchida.key", "--weights", folder / f"{suspect}.safetensors", *host)
        assert ran.status == status
        assert f"{suspect}.safetensors: not aligned: expected " in ran.err


# What cannot be


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["deepsigns", "--set", "bits=513"], "expected at most one bit for each of the 512 units"),
        (
            ["deepsigns", "--set", "layer=conv1"],
            "expected a layer whose input training can move, got one that receives the picture itself",
        ),
        (["deepsigns", "--set", "bits=2", "--set", "classes=3"], "expected at least 144 symbols"),
        (["deepsigns", "--set", "classes=11"], "expected at most the data's 10 classes"),
        (["deepsigns", "--set", "layer=head,head"], "expected each layer by its name and once"),
        (["deepsigns", "--set", "layer=head,"], "expected each layer by its name and once"),
        (["deepsigns", "--set", "width=5"], "follows from the others"),
        (["deepsigns-blackbox", "--set", "keys=43"], "expected at least 44 symbols"),
        (["deepsigns-blackbox", "--set", "pool=0"], "expected pool to 1000"),
        (["coupled", "--set", "queries=500"], "expected at least 500 training pictures of class '0'"),
        (["coupled", "--set", "ratio=inf"], "expected a ratio between 0 and 1, got inf"),
        (["coupled", "--set", "fusion=overlay", "--set", "layouts=2"], "expected 1 layout, got 2"),
        (["coupled", "--set", "message=literal", "--set", "symbols=3"], "expected as many symbols as triggers"),
        (["null", "--set", "side=9"], "expected a pattern side of at most 8, got 9"),
        (["null", "--set", "message=signature", "--set", "side=9"], "expected a pattern side of at most 8, got 9"),
        (["null", "--set", "side=17"], "expected a side of 1 to 16, got 17"),
        (["null", "--set", "pictures=5000"], "expected at least 5000 pictures, got"),
        (["null", "--set", "message=signature", "--set", "patterns=2"], "expected 1 pattern, got 2"),
        (["null", "--set", "owner=a\nb"], "expected printable owner and timestamp"),
        (["null", "--set", "owner=\udcff"], "expected printable owner and timestamp"),
    ],
)
def test_a_key_that_cannot_be_made_is_one_line(words, says, run, tmp_path):
    refused(run("keygen", *words, *NET, "-o", tmp_path / "a.key"), 2, says)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_there_comes_with_one_that_is(run, tmp_path):
    ran = run("keygen", "deepsigns", "--set", "layer=hed", *NET, "-o", tmp_path / "a.key")
    refused(ran, 2, "expected a layer of the model, it has none of that name: 'hed'", "did you mean head")


@pytest.mark.parametrize(
    ("scheme", "classes", "says"),
    [
        ("deepsigns", (0, 1, 2, 4), "expected training samples of every carrying class, class 3 has none"),
        ("coupled", (0, 1, 2, 4), "expected at least 7 training pictures of class '3', got 0"),
        ("coupled", (0, 1), "expected at least three classes, got 2"),
    ],
)
def test_classes_without_data_are_told_and_refused_in_a_line(scheme, classes, says, run, tmp_path):
    digits = data.load("digits")
    parts = {}
    for part in ("train", "test"):
        images, labels = getattr(digits, f"{part}_images"), getattr(digits, f"{part}_labels")
        kept = np.isin(labels, classes)
        parts |= {f"{part}_images": images[kept], f"{part}_labels": labels[kept]}
    np.savez(tmp_path / "some.npz", **parts)
    net = ["--arch", "cnn", "--data", f"npz:{tmp_path}/some.npz", "--unencrypted"]
    ran = run("keygen", scheme, *net, "-o", tmp_path / "a.key")
    warning, hint, ran.err = ran.err.split("\n", 2) if 4 in classes else ("", "", ran.err)
    assert ("1 of 5 classes have no sample" in warning, "from 0 on" in hint) == (4 in classes, 4 in classes)
    refused(ran, 2, says)
    assert not (tmp_path / "a.key").exists()


def test_answers_are_read_from_a_copy_with_added_channels(run, folder, tmp_path):
    wider = tmp_path / "wider.safetensors"
    given = ["--arch", "cnn", "--data", "digits", "--weights"]
    marked = folder / "marked.safetensors"
    assert run("attack", "dummy", *given, marked, "-o", wider).status == 0
    before, after = (run("verify", folder / "deepsigns-blackbox.key", "--weights", file) for file in (marked, wider))
    assert (before.status, before.out) == (after.status, after.out)
