"""What needs only the values of a file runs without torch, and without another command: all in one fresh interpreter."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from modelmark.feeds.floats import FloatFeed
from modelmark.marks import keyfile
from modelmark.marks.keys import keygen
from modelmark.schemes.uchida import Uchida

CODE = """
import contextlib, io, json, sys
found = {}
for name, words in json.loads(sys.argv[1]).items():
    for module in [each for each in sys.modules if each.split(".")[0] == "modelmark"]:
        del sys.modules[module]  # as if it were the first command; numpy stays
    from modelmark import cli
    sys.argv, out = ["modelmark", *words], io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            cli.main()
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    others = {f"modelmark.cli.{verb}" for verb in cli.VERBS if verb != words[0]} & sys.modules.keys()
    heavy = {"torch", "scipy.optimize"} & sys.modules.keys()
    found[name] = status, sorted(heavy | others), out.getvalue()
print(json.dumps(found))
"""
# words with names of files in the folder, the exit status, and what the output says
COMMANDS = {
    "inspect": (["inspect", "plain.safetensors"], 0, "model.layers.0.k.weight 160x160 BF16"),
    "inspect a key": (["inspect", "spread.key"], 0, "spread"),
    "keygen": (["keygen", "spread", "--weights", "plain.safetensors", "--unencrypted", "-o", "new.key"], 0, ""),
    "embed": (["embed", "spread.key", "--weights", "plain.safetensors", "-o", "new"], 0, ""),
    "issue": (["issue", "spread.key", "--to", "Bob", "--weights", "plain.safetensors", "-o", "bob"], 0, ""),
    "verify blind": (["verify", "spread.key", "marked.safetensors"], 0, "established"),
    "verify against the host": (
        ["verify", "spread.key", "marked.safetensors", "--align-to", "plain.safetensors"], 0, "established",
    ),
    "verify unmarked": (["verify", "spread.key", "plain.safetensors"], 1, "not established"),
    "verify uchida": (["verify", "uchida.key", "plain.safetensors"], 1, "uchida"),
    "trace": (["trace", "spread.key", "ada.safetensors"], 0, "Ada"),
    "trace against the host": (
        ["trace", "spread.key", "ada.safetensors", "--align-to", "plain.safetensors"], 0, "Ada",
    ),
}  # fmt: skip


@pytest.fixture
def folder(run, tmp_path):
    generator = torch.Generator().manual_seed(0)
    names = [f"model.layers.{layer}.{name}.weight" for layer in range(3) for name in ("q", "k", "mlp")]
    state = {name: (0.02 * torch.randn(160, 160, generator=generator)).bfloat16() for name in names}
    plain, spread = tmp_path / "plain.safetensors", tmp_path / "spread.key"
    save_file(state | {"layer.weight": 0.02 * torch.randn(20, 400, generator=generator)}, plain)
    network = nn.Sequential()
    network.add_module("layer", nn.Linear(400, 20))
    network.add_module("head", nn.Linear(20, 2))
    keyfile.save(
        keygen(Uchida(layer="layer", bits=160), network, FloatFeed((400,), ("0", "1"))), tmp_path / "uchida.key", None
    )
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", spread).status == 0
    assert run("embed", spread, "--weights", plain, "-o", tmp_path / "marked.safetensors").status == 0
    assert run("issue", spread, "--to", "Ada", "--weights", plain, "-o", tmp_path / "ada.safetensors").status == 0
    return tmp_path


def test_these_commands_import_no_torch(folder):
    words = json.dumps({name: command[0] for name, command in COMMANDS.items()})
    ran = subprocess.run(
        [sys.executable, "-c", CODE, words], cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    assert {name: (status, imported) for name, (status, imported, _) in found.items()} == {
        name: (status, []) for name, (_, status, _) in COMMANDS.items()
    }, ran.stderr
    assert [name for name, (_, _, says) in COMMANDS.items() if says not in found[name][2]] == []
