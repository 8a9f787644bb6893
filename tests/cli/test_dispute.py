"""The dispute of ``docs/dispute.md``, typed in three folders; ``python tests/cli/test_dispute.py`` writes its outputs anew."""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from modelmark import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "dispute.md"
PROMPT = re.compile(r"(owner|suspect|judge|authority)\$ (.*)")


def typed(words: list[str], folder: Path) -> tuple[int, str]:
    """Run one command in a folder; return its exit status and what it wrote, results before words."""
    if words[0] != "modelmark":
        words = [sys.executable if words[0] == "python" else words[0], *words[1:]]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout
    out, err, status, before = io.StringIO(), io.StringIO(), 0, (sys.argv, os.getcwd())
    try:
        sys.argv = words
        os.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        sys.argv = before[0]
        os.chdir(before[1])
    return status, err.getvalue() + out.getvalue()


def play(folder: Path) -> str:
    """Type every command of the page in ``folder``; return the page with what they wrote."""
    from modelmark import data
    from modelmark.models import build
    from modelmark.suspects import weights
    from modelmark.testing.authority import LocalAuthority
    from modelmark.training.loop import fit
    from modelmark.training.recipe import annealed
    from modelmark.training.task import Task

    for name in ("owner", "suspect", "judge", "authority"):
        (folder / name).mkdir()
    authority = LocalAuthority.make(folder / "authority")
    for name in ("owner", "judge"):
        shutil.copy(authority.root, folder / name / "tsa.pem")
    shutil.copy(ROOT / "examples" / "recompute_verdict.py", folder / "judge")
    task = Task.from_dataset(data.load("digits"))
    own = fit(build("cnn", (1, 8, 8), 10, seed=5), task, annealed(6, 0.05, batch=64, clip=1.0), seed=5)
    weights.save(own, folder / "suspect" / "own.safetensors")
    lines, inside = [], False
    for line in PAGE.read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        if inside and not PROMPT.match(line) and not line.startswith("```"):
            continue  # what it wrote last time
        lines.append(line)
        if inside and (prompt := PROMPT.match(line)):
            status, written = typed(shlex.split(prompt[2]), folder / prompt[1])
            lines += written.rstrip("\n").splitlines() + ([f"[{status}]"] if status else [])
    return "\n".join(lines) + "\n"


def masked(page: str) -> str:
    """Return a page without what differs from run to run: digests, keys, dates, accuracies, margins."""
    page = re.sub(r"\b[0-9a-f]{16,}\b", "#", page)
    page = re.sub(r"\d{4}-\d\d-\d\d(T| at )\d\d:\d\d:\d\d(Z| UTC)", "DATE", page)
    page = re.sub(r"\d+\.\d+ %|margin [-\d.e+]+", "NUMBER", page)
    return re.sub(r"\b\d+/(64|\d+ as drawn).*|\b\d+ of 64 a.*|2\^.*|leaves [\d.]+ bits", "MATCHES", page)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    folder = tmp_path_factory.mktemp("dispute")
    return folder, play(folder)


def test_the_page_shows_what_the_commands_write(played):
    assert masked(played[1]) == masked(PAGE.read_text())


def test_each_folder_holds_what_the_protocol_says_and_no_more(played):
    folder, _ = played
    judge = {path.name for path in (folder / "judge").iterdir()}
    assert not judge & {"adi.key", "owner.id", "marked.safetensors"}
    assert {path.name for path in (folder / "suspect").iterdir()} == {
        "stolen.safetensors", "own.safetensors", "product.safetensors",
    }  # fmt: skip


def test_the_page_for_a_court_stands_by_itself_and_is_escaped(played):
    from modelmark.claim.judging import explaining
    from modelmark.claim.papers import envelope
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.verdict import Verdict

    folder = played[0] / "judge"
    page = (folder / "first.html").read_text()
    assert not re.search(r"<script|<img|<link|src=|href=", page)
    assert "dependence-shown" in page
    assert "Emmy Noether" in page
    verdict = envelope.load(folder / "first.verdict", Verdict)
    claim = envelope.load(folder / "owner.claim", Claim)
    object.__setattr__(claim.document, "claimant", "<b>&")
    assert "&lt;b&gt;&amp;" in explaining.page(verdict, claim)


@pytest.mark.parametrize(
    "changed", ["first.opening.carriers", "first.verdict.transcript", "first.opening", "owner.deposit"]
)
def test_the_second_implementation_refuses_what_does_not_fit(played, tmp_path, changed):
    for path in (played[0] / "judge").iterdir():
        shutil.copy(path, tmp_path)
    other = {"first.opening": "second.opening", "owner.deposit": "owner.claim"}.get(changed)
    data = (tmp_path / (other or changed)).read_bytes()
    (tmp_path / changed).write_bytes(data if other else data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    papers = "owner.claim owner.deposit first.challenge first.opening first.opening.carriers"
    words = f"python recompute_verdict.py {papers} first.verdict.transcript first.verdict"
    status, _ = typed(words.split(), tmp_path)
    assert status != 0


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        PAGE.write_text(play(Path(scratch)))
