"""``field`` from the command line: rehearsals, a key of them, a marked model, evidence; and what is refused."""

import json

import numpy as np
import pytest

import fielding
from modelmark import data
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.training import rehearsing
from modelmark.training.loop import fit
from modelmark.training.task import Task

ARCH = ["--arch", "fielding:layers"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, more pictures without a use for their labels, a host, and two rehearsals of it."""
    made = tmp_path_factory.mktemp("field")
    (x, y), (test, labels) = fielding.pictures(2000, 0), fielding.pictures(1000, 1)
    np.savez(made / "own.npz", train_images=x, train_labels=y, test_images=test, test_labels=labels)
    (x, y), (test, labels) = fielding.pictures(3000, 2), fielding.pictures(1000, 3)
    np.savez(made / "pool.npz", train_images=x, train_labels=y, test_images=test, test_labels=labels)
    task = Task.from_dataset(data.load(f"npz:{made}/own.npz"))
    weights.save(fit(fielding.network(0), task, fielding.RECIPE, seed=0), made / "host.safetensors")
    weights.save(fielding.network(1), made / "other.safetensors")
    return made


@pytest.fixture(scope="module")
def own(folder):
    return ["--data", f"npz:{folder}/own.npz", *ARCH]


@pytest.fixture
def rehearsed(folder, own, run, tmp_path):
    words = ("rehearse", folder / "host.safetensors", *own, "--count", 2, "--epochs", 4, "--rate", 0.1)
    if not (folder / "rehearsals").exists():
        assert run(*words, "-o", folder / "rehearsals").status == 0
    return folder / "rehearsals"


def keygen(run, folder, own, path, *more):
    host = ("--host", folder / "host.safetensors")
    return run("keygen", "field", *host, *own, "--unencrypted", "-o", path, *more)


def refused(ran, says):
    assert (ran.status, ran.out) == (2, ""), ran
    lines = [line for line in ran.err.splitlines() if not line.startswith("modelmark: hint: ")]
    assert len(lines) == 1, ran.err
    assert says in lines[0]


def test_a_host_is_rehearsed_marked_and_found(folder, own, rehearsed, run, tmp_path):
    pool = ("--queries", f"npz:{folder}/pool.npz", "--set", "queries=3000", "--set", "lose=4")
    ran = keygen(run, folder, own, tmp_path / "f.key", "--rehearsals", rehearsed, *pool)
    assert ran.status == 0, ran
    assert "480 symbols of alphabet 2" in ran.err
    marked = tmp_path / "marked.safetensors"
    ran = run("embed", tmp_path / "f.key", "--weights", folder / "host.safetensors", *own, "-o", marked)
    assert ran.status == 0, ran
    assert "bits (needs 145.6)" in ran.err
    assert "% before" in ran.err
    found = run("verify", tmp_path / "f.key", "--weights", marked, *ARCH)
    assert (found.status, found.out.startswith("field: score ")) == (0, True), found
    assert run("verify", tmp_path / "f.key", "--weights", folder / "host.safetensors", *ARCH).status == 1
    assert run("verify", tmp_path / "f.key", "--weights", rehearsed / "rehearsal-0.safetensors", *ARCH).status == 1


def test_rehearsing_goes_on_where_it_was_stopped(folder, own, run, tmp_path, monkeypatch):
    trained, real = [], rehearsing.rehearse

    def stopping(student, *args, seed, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(seed)
        return real(student, *args, seed=seed, **options)

    monkeypatch.setattr(rehearsing, "rehearse", stopping)
    words = ("rehearse", folder / "host.safetensors", *own, "--count", 3, "--epochs", 1, "-o", tmp_path / "r")
    assert run(*words).status == 130
    there = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    assert sorted(there) == ["host", "rehearsal-0.safetensors", "rehearsal-1.safetensors", "settings"]
    trained[:] = [0]
    ran = run(*words)
    assert ran.status == 0, ran
    assert trained == [0, 3]
    assert ran.err.count("there already") == 2
    assert all((tmp_path / "r" / name).read_bytes() == held for name, held in there.items())
    whole = ("rehearse", folder / "host.safetensors", *own, "--count", 3, "--epochs", 1, "-o", tmp_path / "whole")
    trained[:] = []
    monkeypatch.setattr(rehearsing, "rehearse", real)
    assert run(*whole).status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()
    }


@pytest.mark.parametrize("other", [("--seed", 9), ("--rate", 0.01), ("--augment", "crop")])
def test_rehearsals_that_were_trained_otherwise_are_not_gone_on_with(folder, own, run, tmp_path, other):
    """Students of two seeds, or of two recipes, were mixed in a folder without a word."""
    words = ("rehearse", folder / "host.safetensors", *own, "--count", 1, "--epochs", 1, "-o", tmp_path / "r")
    assert run(*words).status == 0
    there = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    ran = run(*words, *other)
    said = f"expected rehearsals trained as those in {tmp_path / 'r'} were, got another {other[0].removeprefix('--')}"
    assert (ran.status, said in ran.err) == (3, True), ran
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == there


def test_rehearsals_of_another_host_are_refused(folder, own, rehearsed, run, tmp_path):
    says = "expected rehearsals of the host "
    ran = run("rehearse", folder / "other.safetensors", *own, "--count", 3, "-o", rehearsed)
    assert (ran.status, says in ran.err) == (3, True), ran
    ran = run(
        "keygen", "field", "--host", folder / "other.safetensors", *own, "--rehearsals", rehearsed, "--unencrypted",
        "-o", tmp_path / "f.key",
    )  # fmt: skip
    assert (ran.status, says in ran.err) == (3, True), ran
    assert not (tmp_path / "f.key").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--rehearsals", "nowhere"], "expected rehearsals in nowhere, found none"),
        (["--set", "queries=1001"], "expected at least 1001 ordinary inputs to choose queries from, got 1000"),
        (["--set", "directions=4000"], "expected 1 to 1024 directions, got 4000"),
        (["--set", "directions=49"], "expected 49 directions in which what the head receives varies, found 48"),
        (["--set", "reference=attached"], "expected a setting of field, got 'reference', which follows from the others"),
        (["--set", "lose=0"], "expected points to lose above 0, strength of at least 0, both to 100, got 0.0, 0.0"),
    ],
)  # fmt: skip
def test_wrong_use_of_keygen_is_one_line_and_leaves_nothing(more, says, folder, own, run, tmp_path):
    queries = () if "queries=1001" in more else ("--set", "queries=1000")
    refused(keygen(run, folder, own, tmp_path / "f.key", *queries, *more), says)
    assert not (tmp_path / "f.key").exists()


def test_other_wrong_use_is_one_line(folder, own, rehearsed, run, tmp_path):
    out = ("-o", tmp_path / "f.key", "--unencrypted")
    refused(run("keygen", "field", *own, *out), "expected the trained model with field, whose answers are to lean")
    refused(
        run("keygen", "adi", *own, "--rehearsals", rehearsed, *out),
        "expected --rehearsals, --queries and --along with field",
    )
    other = ("--data", f"npz:{folder}/own.npz", "--arch", "cnn")
    ran = run("rehearse", folder / "host.safetensors", *other, "-o", tmp_path / "r")
    assert (ran.status, "for this architecture" in ran.err, len(ran.err.splitlines()) <= 2) == (3, True, True), ran
    assert not (tmp_path / "r").exists()
    (tmp_path / "file").write_text("x")
    refused(run("rehearse", folder / "host.safetensors", *own, "-o", tmp_path / "file"), "expected a folder at")
    refused(
        run("rehearse", folder / "host.safetensors", *own, "--augment", "turn", "-o", tmp_path / "r"),
        "expected none, crop or crop-flip for --augment, got 'turn'",
    )


def test_a_key_too_weak_for_its_draw_marks_nothing_and_says_what_was_reached(folder, own, rehearsed, run, tmp_path):
    settings = ("--set", "queries=1000", "--set", "strength=0.05")
    assert keygen(run, folder, own, tmp_path / "f.key", "--rehearsals", rehearsed, *settings).status == 0
    ran = run(
        "embed", tmp_path / "f.key", "--weights", folder / "host.safetensors", *ARCH, "-o", tmp_path / "m.safetensors"
    )
    assert ran.status != 0
    assert "expected every mark whole, got field" in ran.err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_model_of_another_size_is_refused_when_it_is_marked(folder, own, run, tmp_path):
    assert keygen(run, folder, own, tmp_path / "f.key", "--set", "queries=1000", "--self-check").status == 0
    task = Task.from_dataset(data.load("digits"))
    weights.save(build("cnn", task.feed.input_shape, 10, seed=0), tmp_path / "cnn.safetensors")
    ran = run(
        "embed", tmp_path / "f.key", "--weights", tmp_path / "cnn.safetensors", *ARCH, "-o", tmp_path / "m.safetensors"
    )
    assert (ran.status, "for this architecture" in ran.err) == (3, True), ran


@pytest.mark.parametrize(
    ("coordinates", "along"), [("pixels", ()), ("own", ("--along", "fielding:halves"))], ids=["pixels", "own"]
)
def test_other_coordinates_are_trained_in(coordinates, along, folder, own, rehearsed, run, tmp_path):
    settings = ("--set", f"coordinates={coordinates}", "--set", "queries=1000", "--set", "lose=6", "--self-check")
    ran = keygen(run, folder, own, tmp_path / "f.key", "--rehearsals", rehearsed, *settings, *along)
    assert ran.status == 0, ran
    out, recipe = tmp_path / "m.safetensors", ("--epochs", 4, "--rate", 0.1)
    ran = run("embed", tmp_path / "f.key", "--weights", folder / "host.safetensors", *own, *recipe, *along, "-o", out)
    assert ran.status == 0, ran
    assert "% before" in ran.err
    shown = json.loads(run("verify", tmp_path / "f.key", "--weights", out, *ARCH, "--json").out)
    other = json.loads(run("verify", tmp_path / "f.key", "--weights", folder / "host.safetensors", *ARCH, "--json").out)
    assert shown["gross_bits"] > 15 > other["gross_bits"]
    if not along:
        return
    again = ("embed", tmp_path / "f.key", "--weights", folder / "host.safetensors", *own, *recipe)
    refused(
        run(*again, "-o", tmp_path / "n.safetensors"),
        "expected the function of which a key's coordinates are, got none",
    )
    refused(
        run(*again, "--along", "fielding:RECIPE", "-o", tmp_path / "n.safetensors"),
        "expected 'fielding:RECIPE' to be a function, got Recipe",
    )
    assert not (tmp_path / "n.safetensors").exists()


def test_a_field_is_read_from_probabilities(folder, own, rehearsed, run, tmp_path):
    settings = ("--set", "answers=probabilities", "--set", "queries=1000", "--set", "lose=4")
    assert keygen(run, folder, own, tmp_path / "f.key", "--rehearsals", rehearsed, *settings).status == 0
    host, marked = folder / "host.safetensors", tmp_path / "m.safetensors"
    ran = run("embed", tmp_path / "f.key", "--weights", host, *ARCH, "-o", marked)
    assert ran.status == 0, ran
    assert run("verify", tmp_path / "f.key", "--weights", marked, *ARCH).status == 0
    assert run("verify", tmp_path / "f.key", "--weights", host, *ARCH).status == 1
    ran = run("embed", tmp_path / "f.key", "--weights", host, *ARCH, "--along", "fielding:halves", "-o", tmp_path / "n")
    refused(ran, "expected --along with a field key of coordinates of one's own, got none")
