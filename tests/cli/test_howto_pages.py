"""The pages of docs/how-to: what each says to type is typed, what it says to run is run, in a folder that has what they take."""

import io
import re
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from test_dispute import typed
from test_large_models import commands

import modelmark
from modelmark.models import build
from modelmark.suspects import weights

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
PAGES = sorted(path.stem for path in HOW_TO.glob("*.md"))
FILE = re.compile(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```", re.M | re.S)
ADDRESS = "https://api.example"


def masked(line: str) -> str:
    """Return a line without what hangs on the key's draw; of a mark that is whole, as it stands."""
    return re.sub(r"\d+(\.\d+)?", "#", line) if "not established" in line else line


def code(page: str) -> str:
    """Return the Python that is run and not written to a file, which is the last block."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1]


@pytest.fixture(scope="module")
def folder(story, tmp_path_factory):
    """A folder with a key, marked and unmarked weights under the names that the pages have for them, and the network itself."""
    made = tmp_path_factory.mktemp("how-to")
    names = {"adi.key": "owner.key", "uchida.key": "uchida.key", "marked.safetensors": "marked.safetensors"}
    names |= {"host.safetensors": "model.safetensors"}
    for name, here in names.items():
        shutil.copy(story / name, made / here)
    shutil.copy(made / "model.safetensors", made / "download.safetensors")
    return made


@pytest.fixture(scope="module")
def model(folder):
    network = build("cnn", (1, 8, 8), 10, seed=0)
    network.load_state_dict(weights.load(folder / "marked.safetensors"))
    return network.eval()


def follow(name: str, folder: Path, **instead: str) -> None:
    """Write the page's files, type its commands, and find every line that it shows in what they write."""
    page = (HOW_TO / f"{name}.md").read_text()
    for file, text in FILE.findall(page):
        (folder / file).write_text(text)
    for command, expected in commands(page):
        for there, here in instead.items():
            command = command.replace(ADDRESS if there == "address" else there, here)
        status, written = typed(command, folder)
        lines = [masked(line) for line in [*written.splitlines(), *([f"[{status}]"] if status else [])]]
        assert status == (1 if "[1]" in expected else 0), f"{command} wrote {lines}"
        assert not [line for line in map(masked, expected) if line not in lines], f"{command} wrote {lines}"


def run(name: str, folder: Path, monkeypatch, **given: object) -> str:
    """Run the page's Python in the folder; return what it printed."""
    monkeypatch.chdir(folder)
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(code((HOW_TO / f"{name}.md").read_text()), f"{name}.md", "exec"), given)
    return out.getvalue()


def test_each_page_is_short_is_followed_here_and_leads_further():
    followed = re.findall(r'(?:follow|run)\("([\w-]+)"', Path(__file__).read_text())
    for name in PAGES:
        text = (HOW_TO / f"{name}.md").read_text()
        assert 20 <= len(text.splitlines()) <= 50, name
        assert "](../" in text, name
        assert name in followed


def test_a_colleague_checks(folder, model, monkeypatch):
    follow("colleague", folder)
    assert run("colleague", folder, monkeypatch, model=model).endswith(": established\n")


def test_an_own_network(tmp_path):
    page = (HOW_TO / "own-network.md").read_text()
    (tmp_path / "my_net.py").write_text(FILE.findall(page)[0][1])
    sys.path.insert(0, str(tmp_path))
    try:
        import my_net

        torch.save({"model": my_net.make().state_dict(), "epoch": 3}, tmp_path / "trained.pt")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("my_net", None)
    follow("own-network", tmp_path)


def test_copies_for_customers(folder):
    follow("customers", folder)
    status, written = typed("modelmark trace copies.key bob.safetensors --align-to model.safetensors", folder)
    assert (status, "Bob & Sons" in written) == (0, True)


def test_a_claim_is_dated(tmp_path):
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to trust")
    from modelmark.testing.authority import LocalAuthority

    (tmp_path / "authority").mkdir()
    shutil.copy(LocalAuthority.make(tmp_path / "authority").root, tmp_path / "tsa.pem")
    follow("dispute", tmp_path)
    assert (tmp_path / "owner.tsq").stat().st_size > 30


@pytest.mark.slow  # the same commands are typed in test_audit_cli.py and test_report_cli.py
def test_an_audit_of_one_s_own(tmp_path):
    follow("audit", tmp_path)
    assert (tmp_path / "mine.html").read_text().count("spread") > 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of its exporter
def test_an_onnx_file(folder, model, monkeypatch):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    run("onnx", folder, monkeypatch, model=model)
    follow("onnx", folder)


def test_a_suspect_behind_an_api(folder, model, monkeypatch):
    pytest.importorskip("httpx", reason="httpx is not installed")
    pytest.importorskip("jmespath", reason="jmespath is not installed")
    import json

    from serving import Server

    def answer(path, headers, body):
        pictures = torch.tensor(json.loads(body)["instances"]).permute(0, 3, 1, 2)
        return {"predictions": model(pictures).tolist()}

    with Server(answer) as server:
        follow("api", folder, address=server.url)
    feed = modelmark.load_key(folder / "owner.key").feed

    def client(images):  # uint8 (N, H, W, C) to labels
        pictures = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        return model(modelmark.Normalise(feed)(pictures)).argmax(1).numpy()

    assert run("api", folder, monkeypatch, client=client).endswith(": established\n")


@pytest.mark.slow  # transformers takes longer to import than all other pages together
@pytest.mark.filterwarnings("ignore")
def test_a_language_model(tmp_path):
    pytest.importorskip("transformers", reason="transformers is not installed")
    import hugging

    hugging.folder("gpt2", tmp_path / "model", n_embd=96)
    follow("language-model", tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_trainer(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the page's block is of transformers")
    from test_training_page import digits, named, vit

    given = {"model": vit(), "dataset": digits()[1], "collate": named}
    assert run("trainer", tmp_path, monkeypatch, **given).endswith(": established\n")
    follow("trainer", tmp_path)
