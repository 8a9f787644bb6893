"""Bad input: one clear line, the right exit status, nothing written."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modelmark import cli, data, files

NET = ["--arch", "cnn", "--data", "digits"]


def refused(ran, status: int, *words: str) -> None:
    assert ran.status == status, ran
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[-1].startswith("modelmark: error: ") or (
        lines[-1].startswith("modelmark: hint: ") and "error: " in lines[-2]
    )
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize(("words", "status", "says"), [
    (["keygen", "adii", *NET], 2, ["expected a scheme", "did you mean adi"]),
    (["keygen", "adi", *NET, "--set", "triggers=many"], 2, ["triggers"]),
    (["keygen", "adi", *NET, "--set", "trigers=100"], 2, ["did you mean triggers"]),
    (["keygen", "adi", *NET, "--set", "triggers"], 2, ["expected name=value"]),
    (["keygen", "adi", *NET, "--set", "triggers=43"], 2, ["expected at least 44 symbols", "--self-check"]),
    (["keygen", "adi", *NET, "--set", "triggers=-1"], 2, ["triggers"]),
    (["keygen", "adi", *NET, "--set", "triggers=0"], 2, ["expected 1 to 16384 triggers, got 0"]),
    (["keygen", "uchida", *NET, "--set", "bits=0"], 2, ["expected at least 1 for bits, got 0"]),
    (["keygen", "uchida", *NET, "--set", "bits=143"], 2, ["expected at least 144 symbols"]),
    (["keygen", "uchida", *NET, "--set", "bits=1153"], 2, ["expected at most 1152 bits (2 M)"]),
    (["keygen", "uchida", *NET, "--set", "projection=direct", "--set", "bits=577"], 2, ["expected at most 576 bits (M)"]),
    (["keygen", "uchida", *NET, "--set", "projection=diff", "--set", "bits=289"], 2, ["expected at most 288 bits (M / 2)"]),
    (["keygen", "uchida", *NET, "--set", "layer=hed"], 2, ["expected a linear or convolution layer, got 'hed'", "mean head"]),
    (["keygen", "adi", "--arch", "lenet", "--data", "digits"], 2, ["did you mean lenet5"]),
    (["keygen", "adi", "--arch", "lenet5", "--data", "digits"], 3, ["expected"]),
    (["keygen", "adi", "--arch", "no.such:net", "--data", "digits"], 2, ["no"]),
    (["keygen", "adi", "--arch", "cnn", "--data", "didgits"], 2, ["digits"]),
    (["keygen", "adi", "--arch", "cnn", "--data", "idx:/nowhere"], 3, ["/nowhere"]),
    (["keygen", "adi", *NET, "--matrix", "x.npy"], 2, ["uchida or deepsigns"]),
    (["keygen", "deepsigns", *NET, "--matrix", "x.npy"], 2, ["expected --matrix and --message together"]),
    (["keygen", "deepsigns", *NET, "--axes", "keras", "--matrix", "x"], 2, ["expected --axes with uchida"]),
    (["keygen", "deepsigns", *NET, "--set", "message=imported"], 2, ["see --matrix"]),
    (["keygen", "deepsigns-blackbox", *NET, "--images", "x.npy"], 2, ["expected --labels with --images"]),
    (["keygen", "deepsigns-blackbox", *NET, "--set", "message=imported"], 2, ["see --images"]),
    (["keygen", "adi", *NET, "--bits", "nan"], 2, ["expected a finite number above 0"]),
    (["keygen", "adi", *NET, "--fit", "crop"], 2, ["expected --fit with --images"]),
    (["keygen", "uchida", *NET, "--axes", "keras"], 2, ["expected --fit with --images and --axes with --matrix"]),
    (["keygen", "adi", *NET, "--set", "pictures=own"], 2, ["see --images"]),
    (["keygen", "uchida", *NET, "--set", "message=imported"], 2, ["see --matrix"]),
    (["keygen", "uchida", *NET, "--set", "width=5"], 2, ["follows from the others"]),
    (["keygen", "adi", *NET, "--mean", "a"], 2, ["expected numbers separated by commas"]),
    (["keygen", "adi", *NET, "--std", "0"], 2, ["expected positive std"]),
    (["keygen", "adi", *NET, "--passphrase-file", "x"], 2, ["--unencrypted or --passphrase-file"]),
    (["keygen", "os:path", *NET], 2, ["expected a scheme class"]),
    (["keygen", "uchida", *NET, "--images", "x"], 2, ["adi"]),
])  # fmt: skip
def test_keygen(words, status, says, run, tmp_path):
    refused(run(*words, "--unencrypted", "-o", tmp_path / "a.key"), status, *says)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_never_overwritten(run, story):
    before = (story / "adi.key").read_bytes()
    refused(run("keygen", "adi", *NET, "--unencrypted", "-o", story / "adi.key"), 2, "expected a new file")
    assert (story / "adi.key").read_bytes() == before


def test_an_output_that_exists_or_cannot_be_written_is_refused_before_any_work(run, story, tmp_path):
    for out, says in (
        (story / "marked.safetensors", "expected a new file"),
        (tmp_path / "no" / "a", "expected a folder"),
    ):
        refused(run("embed", story / "adi.key", "-o", out), 2, says)
        refused(run("attack", "prune", "--weights", story / "marked.safetensors", *NET, "-o", out), 2, says)


def test_self_check_keys_are_never_established(run, tmp_path):
    key, out = tmp_path / "toy.key", tmp_path / "m.safetensors"
    few = ["--set", "triggers=20", "--set", "per_hundred=20", "--arch", "mlp", "--data", "digits"]
    assert run("keygen", "adi", *few, "--self-check", "--unencrypted", "-o", key).status == 0
    assert run("embed", key, "--epochs", 4, "-o", out).status == 0
    ran = run("verify", key, "--weights", out, "--bits", 0.001)
    assert ran.status == 1
    assert "20/20" in ran.out
    assert "never evidence" in ran.out


@pytest.fixture
def weights(story):
    return load_file(story / "marked.safetensors")


def test_weights_that_are_missing_truncated_or_not_weights(run, story, tmp_path):
    bad = tmp_path / "bad.safetensors"
    verify = ["verify", story / "adi.key", "--weights", bad]
    refused(run(*verify), 3, "expected a weight file at", "found none")
    bad.write_bytes((story / "marked.safetensors").read_bytes()[:1000])
    refused(run(*verify), 3, "expected safetensors of", "got the first 1000", "fetch it again")
    bad.write_bytes(b"")
    refused(run(*verify), 3, "empty")
    refused(
        run("verify", story / "adi.key", "--weights", tmp_path),
        3,
        "expected one file or index of weights in",
        "got none",
    )
    torch.save({"a": object}, tmp_path / "evil.pt")
    refused(run("verify", story / "adi.key", "--weights", tmp_path / "evil.pt"), 3, "without running code")


@pytest.mark.parametrize("bits", [0, -1, "nan", "inf"])
def test_a_bar_that_everything_or_nothing_reaches(bits, run, story, unmarked_file):
    refused(
        run("verify", story / "adi.key", "--weights", unmarked_file, f"--bits={bits}"),
        2,
        "expected a finite number above 0",
    )


def test_weights_of_other_types(run, story, tmp_path, weights):
    verify = ["verify", story / "adi.key", "--weights"]
    save_file({**weights, "head.bias": weights["head.bias"].to(torch.float8_e4m3fn)}, tmp_path / "f8.safetensors")
    assert run(*verify, tmp_path / "f8.safetensors").status in (0, 1)
    save_file({**weights, "head.bias": weights["head.bias"].double() + 1e300}, tmp_path / "big.safetensors")
    refused(run(*verify, tmp_path / "big.safetensors"), 3, "got NaN or infinity in head.bias")
    save_file({**weights, "head.bias": torch.zeros(10, dtype=torch.int64)}, tmp_path / "int.safetensors")
    refused(run(*verify, tmp_path / "int.safetensors"), 3, "of type torch.float32")
    for bad in (
        {1: torch.zeros(1)},
        {"a": torch.zeros(1, device="meta")},
        {"a": torch.zeros(2, dtype=torch.complex64)},
    ):
        torch.save(bad, tmp_path / "bad.pt")
        refused(run(*verify, tmp_path / "bad.pt"), 3, "expected")


def test_a_pipe_is_no_file(run, story, tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(run("verify", story / "adi.key", "--weights", tmp_path / "pipe.safetensors"), 3, "not a file")
    refused(run("inspect", tmp_path / "pipe.safetensors"), 3, "not a file")


def test_an_open_key_that_was_edited(run, story, tmp_path):
    edited = (story / "adi.key").read_bytes().replace(b'"created":"2', b'"created":"1')
    (tmp_path / "edited.key").write_bytes(edited)
    refused(run("inspect", tmp_path / "edited.key"), 3, "changed")


def test_a_scratch_file_of_another_run_is_kept(run, story, tmp_path):
    (tmp_path / "m.safetensors.partial").write_text("mine")
    refused(run("embed", story / "adi.key", "-o", tmp_path / "m.safetensors"), 2, "expected no", "move or delete")
    assert (tmp_path / "m.safetensors.partial").read_text() == "mine"


def test_other_options_that_make_no_sense(run, story, tmp_path):
    out = ["-o", tmp_path / "x"]
    refused(run("embed", story / "adi.key", "--augment", "foo", *out), 2, "expected none, crop or crop-flip")
    refused(run("embed", story / "adi.key", "--distill", *out), 2, "expected --weights with --distill")
    refused(run("embed", story / "adi.key", "--release", "addi", *out), 2, "did you mean adi")
    refused(run("embed", story / "adi.key", story / "adi.key", *out), 2, "the same one twice")
    refused(run("embed", story / "adi.key", "--seed", -1, *out), 2)
    refused(
        run("embed", story / "adi.key", "--device", "gpu", *out), 2, "expected a device that torch has here, got 'gpu'"
    )
    refused(run("embed", story / "adi.key", "--device", "meta", *out), 2, "got 'meta': meta holds no numbers")
    refused(run("verify", story / "adi.key", "--weights", "x", "--scheme", "no:sense"), 2, "expected --scheme adi")
    marked = ["--weights", story / "marked.safetensors"]
    refused(run("verify", story / "uchida.key", *marked, "--head-from", story / "marked.safetensors"), 2, "black-box")
    refused(run("attack", "prune", *marked, *NET, "--share", "nan", *out), 2)
    refused(
        run("attack", "prune", *marked, *NET, "--device", "cuda:99", *out), 2, "expected a device that torch has here"
    )


SCHEME = """
from modelmark.schemes.adi import Adi
class Mine(Adi):
    name = "adi"
    def objection(self):
        return ""
    def literal_message(self, material):
        return material.secret.integers("mine", 10, 100)
"""


def test_a_scheme_that_chooses_its_message_gives_no_evidence_and_cannot_take_another_name(
    run, story, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemes_of_mine.py").write_text(SCHEME)
    key = tmp_path / "mine.key"
    assert run("keygen", "schemes_of_mine:Mine", *NET, "--unencrypted", "-o", key).status == 0
    verify = ["verify", key, "--weights", story / "marked.safetensors"]
    refused(run(*verify), 2, "repeat it: --scheme schemes_of_mine:Mine")
    ran = run(*verify, "--scheme", "schemes_of_mine:Mine")
    assert ran.status == 1
    assert ran.out.startswith("schemes_of_mine:Mine: ")
    assert "the message was chosen, not drawn" in ran.out


NETS = """
import torch
from torch import nn
def raising():
    raise RuntimeError("no")
class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(1, 1)
    def forward(self, x):
        raise TypeError("odd")
class Empty(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 10)
"""


@pytest.mark.parametrize(("name", "status"), [("raising", 2), ("Odd", 3), ("Empty", 2)])
def test_networks_that_cannot_serve(name, status, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd_nets.py").write_text(NETS)
    ran = run("keygen", "adi", "--arch", f"odd_nets:{name}", "--data", "digits", "--unencrypted", "-o", "a.key")
    refused(ran, status, "expected")


def test_weights_of_another_architecture(run, story, tmp_path, weights):
    weights.pop("head.bias")
    save_file(weights, tmp_path / "a.safetensors")
    refused(
        run("verify", story / "adi.key", "--weights", tmp_path / "a.safetensors"),
        3,
        "no head.bias",
        "asked with --arch NAME",
    )
    weights["head.bias"] = torch.zeros(11)
    save_file(weights, tmp_path / "b.safetensors")
    refused(run("verify", story / "adi.key", "--weights", tmp_path / "b.safetensors"), 3, "(10,)", "(11,)")


def test_a_state_dict_in_pt_is_read_without_running_code(run, story, tmp_path, weights):
    torch.save(weights, tmp_path / "m.pt")
    assert run("verify", story / "adi.key", "--weights", tmp_path / "m.pt").status == 0


def test_nan_weights_and_nan_answers(run, story, tmp_path, weights):
    weights["head.bias"][0] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    refused(run("verify", story / "adi.key", "--weights", tmp_path / "nan.safetensors"), 3, "expected finite numbers")


def test_another_architecture_for_the_key(run, story):
    refused(run("verify", story / "adi.key", "--weights", story / "marked.safetensors", "--arch", "mlp"), 3, "expected")
    ran = run("verify", story / "uchida.key", "--weights", story / "marked.safetensors", "--arch", "mlp")
    assert (ran.status, ran.err) == (0, "")  # one layer is read, and no code is needed for it


def test_data_of_another_shape_or_class_count(run, story, tmp_path, rng):
    for name, shape, classes in (("shape", (12, 12), 10), ("classes", (8, 8), 7)):
        images = rng.integers(0, 256, (40, *shape), dtype=np.uint8)
        labels = np.arange(40) % classes
        np.savez(
            tmp_path / f"{name}.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels
        )
        out = tmp_path / "m.safetensors"
        ran = run("embed", story / "adi.key", "--data", f"npz:{tmp_path / name}.npz", "-o", out)
        refused(ran, 3, "expected data with the key's")
        assert not out.exists()


def test_an_embedding_that_does_not_take_says_what_was_reached(run, story, tmp_path):
    out = tmp_path / "m.safetensors"
    ran = run("embed", story / "adi.key", "--release", "adi", "--epochs", 1, "--rounds", 1, "-o", out)
    refused(ran, 1, "expected every symbol with its margin", "adi ", "/100")
    assert not out.exists()


def test_unknown_attack_and_settings(run, story, tmp_path):
    rest = ["--weights", story / "marked.safetensors", *NET, "-o", tmp_path / "x"]
    refused(run("attack", "prun", *rest), 2, "did you mean prune")
    refused(run("attack", "prune", "--set", "amount=1.5", *rest), 2, "amount")
    refused(run("attack", "finetune", "--set", "form=all", *rest), 2, "form")
    refused(run("attack", "finetune", "--share", 0, *rest), 2, "shares")


FACTORY = """
from torch import nn
def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
"""


def test_a_factory_named_in_a_key_is_not_imported_unless_repeated(run, tmp_path, monkeypatch, story):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynets.py").write_text(FACTORY)
    key = tmp_path / "own.key"
    net = ["--arch", "mynets:net", "--data", "digits"]
    quick = ["--set", "per_hundred=20"]
    assert run("keygen", "adi", *quick, *net, "--unencrypted", "-o", key).status == 0
    refused(run("embed", key, "-o", tmp_path / "m.safetensors"), 2, "--arch mynets:net")
    ran = run("embed", key, "--arch", "mynets:net", "--epochs", 8, "-o", tmp_path / "m.safetensors")
    assert ran.status == 0, ran
    refused(run("verify", key, "--weights", tmp_path / "m.safetensors"), 2, "--arch mynets:net")
    assert run("verify", key, "--weights", tmp_path / "m.safetensors", "--arch", "mynets:net").status == 0
    (tmp_path / "others.py").write_text(FACTORY)
    ran = run("verify", key, "--weights", tmp_path / "m.safetensors", "--arch", "others:net")
    assert "read with the code of others:net, which is not what the key was made for (mynets:net)" in ran.err


def killed(command) -> int:
    """Run a command in a copy of this process, which needs no import, up to its first checkpoint; return how it ended."""
    replace, words = files.replace, ["modelmark", *command]

    def once(*given):
        replace(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        try:
            files.replace, sys.argv = once, words
            cli.main()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the threads of whoever runs the tests
def test_killed_embedding_goes_on_where_it_was(run, tmp_path):
    digits = data.load("digits")
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(tmp_path / "digits.npz", **{part: getattr(digits, part) for part in parts})

    net = ["--arch", "mlp", "--data", f"npz:{tmp_path}/digits.npz", "--unencrypted", "--set", "strength=1.0"]
    assert run("keygen", "uchida", *net, "-o", tmp_path / "u.key").status == 0

    def command(out, place=""):
        named = ["--data", f"npz:{tmp_path}/{place}digits.npz"]
        return ["embed", str(tmp_path / "u.key"), *named, "--epochs", "2", "-o", str(out)]

    whole = tmp_path / "whole.safetensors"
    assert run(*command(whole)).status == 0
    out = tmp_path / "cut.safetensors"
    partial = tmp_path / "cut.safetensors.partial"
    assert killed(command(out)) == -signal.SIGKILL
    assert partial.exists()
    assert not out.exists()
    ended = run(*command(out, "./"))  # the data are the same, however their place is spelt
    assert ended.status == 0
    assert "checkpoint found" in ended.err
    assert out.read_bytes() == whole.read_bytes()
    assert not partial.exists()


def test_unknown_options_are_usage_errors(run):
    refused(run("verify", "--nonsense"), 2, "--help")
    refused(run("nonsense"), 2)


def test_a_closed_pipe_is_not_a_verdict(run, tmp_path):
    key, plain, marked = (tmp_path / name for name in ("s.key", "plain.safetensors", "marked.safetensors"))
    save_file({f"layers.{i}.weight": torch.randn(160, 160) for i in range(4)}, plain)
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", key).status == 0
    assert run("embed", key, "--weights", plain, "-o", marked).status == 0
    command = f"{sys.executable} -m modelmark verify {key} --weights {marked}"  # which imports no torch
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in ("141", "0")
    assert "Traceback" not in done.stderr
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert full.stderr.startswith("modelmark: error: ")


HELP = """
import sys
from modelmark import cli
sys.argv = ["modelmark", "--help"]
try:
    cli.main()
except SystemExit:
    pass
sys.exit("torch" in sys.modules or "numpy" in sys.modules)
"""


def test_help_answers_without_torch():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "keygen" in done.stdout


def test_no_command_leaves_scratch_files(run, story):
    assert not [name for name in os.listdir(story) if name.startswith(".") or name.endswith(".partial")]
