"""The commands in the order a person types them."""

import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modelmark import schemes
from modelmark.attacks import ATTACKS
from modelmark.marks import keyfile
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes import IN_DATA, SCHEMES
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed


def test_keygen_says_what_the_key_can_show_and_hides_the_file(run, tmp_path):
    ran = run("keygen", "adi", "--data", "digits", "--arch", "cnn", "--unencrypted", "-o", tmp_path / "a.key")
    assert (ran.status, ran.out) == (0, "")
    assert (
        "100 symbols of alphabet 10: at most 252.1 net bits, established from 69 matches on, not encrypted" in ran.err
    )
    assert stat.S_IMODE(os.stat(tmp_path / "a.key").st_mode) == 0o600


@pytest.mark.parametrize(("key", "line"), [
    ("adi.key", "adi: 100/100 expected answers, 332.1 bits (net 252.1): established\n"),
    ("uchida.key", "uchida: 256/256 expected bits, 256.0 bits (net 176.0): established\n"),
])  # fmt: skip
def test_verify_establishes_the_mark_in_the_marked_model(key, line, run, story):
    ran = run("verify", story / key, "--weights", story / "marked.safetensors")
    assert (ran.status, ran.out, ran.err) == (0, line, "")


@pytest.mark.parametrize("key", ["adi.key", "uchida.key"])
def test_verify_does_not_establish_it_in_an_unmarked_model(key, run, story, unmarked_file):
    ran = run("verify", story / key, "--weights", unmarked_file)
    assert ran.status == 1
    assert ran.out.endswith(": not established\n")


def test_verify_does_not_establish_a_wrong_key(run, story, tmp_path):
    run("keygen", "adi", "--data", "digits", "--arch", "cnn", "--unencrypted", "-o", tmp_path / "other.key")
    ran = run("verify", tmp_path / "other.key", "--weights", story / "marked.safetensors")
    assert ran.status == 1


def test_verify_as_json_charges_the_draw_and_the_suspects(run, story):
    ran = run("verify", story / "adi.key", "--weights", story / "marked.safetensors", "--suspects", 8, "--json")
    found = json.loads(ran.out)
    assert found["charges"] == [{"reason": "offline draw", "bits": 80.0}, {"reason": "8 suspects tried", "bits": 3.0}]
    assert found["net_bits"] == pytest.approx(found["gross_bits"] - 83)
    assert (found["queries"], found["verdict"]) == (100, "established")


def test_a_higher_bar_is_not_reached(run, story):
    assert run("verify", story / "uchida.key", "--weights", story / "marked.safetensors", "--bits", 177).status == 1


def test_inspect_shows_what_an_open_key_says_and_no_secret(run, story):
    ran = run("inspect", story / "uchida.key")
    assert ran.status == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "scheme",
        "fingerprint",
        "created",
        "self_check",
        "symbols",
        "alphabet",
        "worth",
        "draw",
        "arch",
        "data",
        "interface.input_shape",
        *(f"interface.class_names.{number}" for number in range(10)),
        "interface.mean",
        "interface.std",
        *(f"settings.{name}" for name in ("bits", "layer", "margin", "message", "projection", "strength", "width")),
        "encrypted",
    ]
    shown = json.loads(run("inspect", story / "uchida.key", "--json").out)
    assert (shown["scheme"], shown["encrypted"], len(shown["fingerprint"])) == ("uchida", False, 64)


@pytest.mark.parametrize(
    "form", ["ftll", "rtll", pytest.param("ftal", marks=pytest.mark.slow), pytest.param("rtal", marks=pytest.mark.slow)]
)
def test_fine_tuned_copies_and_the_head_put_back(form, run, story, tmp_path):
    out = tmp_path / "tuned.safetensors"
    ran = run("attack", "finetune", "--set", f"form={form}", "--set", "rate=0.01", "--weights",
              story / "marked.safetensors", "--arch", "cnn", "--data", "digits", "-o", out)  # fmt: skip
    assert ran.status == 0
    assert "test accuracy" in ran.err
    assert run("verify", story / "uchida.key", "--weights", out).status == 0
    if form.startswith("ft"):
        assert run("verify", story / "adi.key", "--weights", out).status == 0
    else:
        ran = run("verify", story / "adi.key", "--weights", out, "--head-from", story / "marked.safetensors")
        assert ran.status == 1
        assert "no exact test: this head was not committed before the draw" in ran.out


def test_the_head_of_a_host_committed_before_the_draw_counts(run, digits, tmp_path):
    key, marked, tuned = tmp_path / "host.key", tmp_path / "marked.safetensors", tmp_path / "tuned.safetensors"
    common, unmarked_file = ["--arch", "mlp", "--data", "digits"], tmp_path / "host.safetensors"
    host = fit(build("mlp", (1, 8, 8), 10, seed=0), digits, annealed(5, 0.1, batch=64, clip=1.0), seed=0)
    weights.save(host, unmarked_file)
    quick = ["--set", "per_hundred=20", "--host", unmarked_file]
    assert run("keygen", "adi", *quick, *common, "--unencrypted", "-o", key).status == 0
    assert run("embed", key, "--weights", unmarked_file, "--epochs", 12, "-o", marked).status == 0
    attack = ["--weights", marked, *common, "-o", tuned]
    assert run("attack", "finetune", "--set", "form=rtll", "--set", "rate=0.01", *attack).status == 0
    ran = run("verify", key, "--weights", tuned, "--head-from", unmarked_file, "--json")
    found = json.loads(ran.out)
    assert found["charges"][1] == {"reason": "2 readings tried", "bits": 1.0}
    assert (ran.status, found["verdict"]) == (0, "established")
    ran = run("verify", key, "--weights", unmarked_file, "--head-from", unmarked_file)
    assert ran.status == 1


def test_prune(run, story, tmp_path):
    ran = run("attack", "prune", "--set", "amount=0.5", "--set", "scope=layer", "--weights", story / "marked.safetensors",
              "--arch", "cnn", "--data", "digits", "-o", tmp_path / "p.safetensors")  # fmt: skip
    assert ran.status == 0
    assert run("verify", story / "adi.key", "--weights", tmp_path / "p.safetensors").status == 0


def test_an_encrypted_key_needs_its_passphrase(run, story, tmp_path, monkeypatch, quick_seal):
    monkeypatch.setenv("MODELMARK_PASSPHRASE", "correct horse")
    key = tmp_path / "sealed.key"
    assert run("keygen", "uchida", "--data", "digits", "--arch", "cnn", "-o", key).status == 0
    assert run("verify", key, "--weights", story / "marked.safetensors").status == 1
    monkeypatch.delenv("MODELMARK_PASSPHRASE")
    (tmp_path / "wrong").write_text("battery staple\n")
    ran = run("verify", key, "--weights", story / "marked.safetensors", "--passphrase-file", tmp_path / "wrong")
    assert ran.status == 3
    assert "expected the passphrase of" in ran.err
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        ran = run("verify", key, "--weights", story / "marked.safetensors")
    assert ran.status == 3
    assert "--passphrase-file" in ran.err


def test_more_bits_than_weights_is_a_warning(run, tmp_path):
    common = ["--data", "digits", "--arch", "cnn", "--unencrypted", "-o", tmp_path / "a.key"]
    ran = run("keygen", "uchida", "--set", "bits=600", *common)
    assert ran.status == 0
    assert "warning: 600 bits in 576 averaged weights" in ran.err


@pytest.fixture
def colour(tmp_path, rng):
    """Data of 32 x 32 colour pictures, three own pictures of other sizes with labels in lexicographic order of names."""
    images = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(40) % 10
    np.savez(tmp_path / "d.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    (tmp_path / "pictures").mkdir()
    for number in (1, 2, 10):
        picture = rng.integers(0, 256, (40, 50 + number, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "labels.txt").write_text("5.000e+00\n7\n9\n")
    return tmp_path


def test_an_older_adi_mark_comes_with_its_labels_and_is_an_observation(run, colour):
    common = ["--data", f"npz:{colour}/d.npz", "--arch", "resnet8", "--unencrypted"]
    key = colour / "old.key"
    ran = run("keygen", "adi", *common, "--images", colour / "pictures", "--labels", colour / "labels.txt", "-o", key)
    assert ran.status == 0
    assert "no exact test: the message was chosen, not drawn" in ran.err
    loaded = keyfile.load(key, None)
    assert (loaded.carriers.pictures.shape, loaded.mark().message.tolist()) == ((3, 3, 32, 32), [5, 7, 9])
    weights.save(build("resnet8", (3, 32, 32), 10, seed=0), colour / "m.safetensors")
    ran = run("verify", key, "--weights", colour / "m.safetensors")
    assert ran.status == 1
    assert (
        "/3 as expected; no exact test: the message was chosen, not drawn; unmarked models: not measured: not established"
        in ran.out
    )


def test_own_pictures_get_drawn_labels(run, colour):
    common = ["--data", f"npz:{colour}/d.npz", "--arch", "resnet8", "--unencrypted", "--self-check"]
    assert run("keygen", "adi", *common, "--images", colour / "pictures", "-o", colour / "own.key").status == 0
    assert keyfile.load(colour / "own.key", None).scheme.message == "drawn"


def test_an_older_uchida_mark_comes_with_its_matrix(run, colour, rng):
    np.save(colour / "x.npy", rng.standard_normal((9 * 48, 30)))
    np.save(colour / "b.npy", np.ones(30))
    common = ["--data", f"npz:{colour}/d.npz", "--arch", "resnet8", "--unencrypted"]
    imported = ["--matrix", colour / "x.npy", "--message", colour / "b.npy"]
    layer = next(
        layer.path for layer in layers.markable(build("resnet8", (3, 32, 32), 10, seed=0)) if layer.width == 432
    )
    assert run("keygen", "uchida", *common, *imported, "-o", colour / "no.key").status == 2
    ran = run("keygen", "uchida", *common, *imported, "--set", f"layer={layer}", "-o", colour / "old.key")
    assert ran.status == 0, ran
    assert "no exact test" in ran.err


def test_older_deepsigns_marks_come_with_their_files(run, colour, rng):
    np.save(colour / "a.npy", rng.standard_normal((16, 64)))
    np.save(colour / "b16.npy", rng.integers(2, size=(16, 10)))
    np.save(colour / "keys.npy", rng.integers(256, size=(20, 32, 32, 3)) / 255)
    np.savetxt(colour / "keys.txt", rng.integers(10, size=20), fmt="%i", delimiter=",")
    common = ["--data", f"npz:{colour}/d.npz", "--arch", "resnet8", "--unencrypted"]
    head = layers.head(build("resnet8", (3, 32, 32), 10, seed=0))
    bits = ["--matrix", colour / "a.npy", "--message", colour / "b16.npy", "--set", f"layer={head}"]
    ran = run("keygen", "deepsigns", *common, *bits, "-o", colour / "no.key")
    assert (ran.status, "name them: --set carrying=0" in ran.err) == (2, True)
    for scheme, files in (
        ("deepsigns", [*bits, "--set", "carrying=1"]),
        ("deepsigns-blackbox", ["--images", colour / "keys.npy", "--labels", colour / "keys.txt"]),
    ):
        ran = run("keygen", scheme, *common, *files, "-o", colour / f"{scheme}.key")
        assert (ran.status, "no exact test" in ran.err) == (0, True), ran


def test_the_page_of_deepmarks_makes_the_key_of_a_user(run, tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "schemes" / "deepmarks.md").read_text()
    (typed,) = re.findall(r"^\$ modelmark (keygen .*)$", page, re.MULTILINE)
    ran = run(*typed.split()[:-1], tmp_path / "seven.key", "--unencrypted")
    assert (ran.status, "31 symbols of alphabet 2; no exact test: the code was chosen for a user" in ran.err) == (
        0,
        True,
    ), ran


def test_lists(run):
    listed = run("schemes").out
    assert [line.split()[0] for line in listed.splitlines() if line[0] != " "] == sorted(SCHEMES | IN_DATA)
    measured = json.loads(Path(schemes.__file__).with_name("measured.json").read_text())
    assert listed.count("removed for 5 points or less by") == len(measured)
    assert listed.count("not measured") == len((SCHEMES | IN_DATA).keys() - measured.keys())
    assert {row["name"] for row in json.loads(run("attacks", "--json").out)} == set(ATTACKS)


@pytest.mark.slow
def test_distilling_embeds_without_labels(run, story, unmarked_file, tmp_path):
    out = tmp_path / "distilled.safetensors"
    assert run("embed", story / "uchida.key", "--weights", unmarked_file, "--distill", "-o", out).status == 0
    assert run("verify", story / "uchida.key", "--weights", out).status == 0


@pytest.mark.slow
def test_a_model_fed_otherwise_than_it_was_trained_is_noticed_a_good_one_is_not(
    run, story, unmarked_file, tmp_path, fresh
):
    weights.save(fresh, tmp_path / "fresh.safetensors")
    for given, warned in ((unmarked_file, False), (tmp_path / "fresh.safetensors", True)):
        ran = run("embed", story / "uchida.key", "--weights", given, "-o", tmp_path / f"{warned}.safetensors")
        assert ran.status == 0
        assert ("knew little of this data" in ran.err) == warned


def test_a_marked_file_does_not_say_that_it_is_marked(story):
    content = (story / "marked.safetensors").read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert b"adi" not in header  # three letters stand in half a million random bytes now and then
    assert not any(word in content for word in (b"uchida", b"modelmark", b"trigger"))
