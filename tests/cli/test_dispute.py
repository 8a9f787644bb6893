"""The dispute of ``docs/dispute.md``, followed as printed: its files are made, its commands typed, all of them.

``python tests/cli/test_dispute.py`` writes their outputs anew.
"""

import contextlib
import io
import os
import re
import runpy
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
SCRIPT = re.compile(r"python [\w./-]+\.py( [\w./-]+)*")
PROMPT = re.compile(r"(owner|suspect|judge|authority|)\$ (.*)")
SLOW = re.compile(r"^modelmark: .*: \d+ %(, about .* left( of it)?)?\n", re.M)
"""How far it is, which only a machine says that is busy."""
SMALLER = PAGE.read_text().replace("cnn", "mlp").replace("--epochs 12", "--epochs 8").replace(" 12 epochs", " 8 epochs")
"""The page with a network that trains in a fifth of the time."""
FILE = re.compile(r"`(\w+/[\w.]+)`:\n\n```\w+\n(.*?)^```", re.M | re.S)


def typed(line: str, folder: Path) -> tuple[int, str]:
    """Run one command in a folder; return its exit status and what it wrote, results before words.

    A shell runs what is neither modelmark nor a script; these run here, on the words that a shell makes of the line.
    """
    if not line.startswith("modelmark ") and not SCRIPT.fullmatch(line):
        python = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}'
        done = subprocess.run(
            ["bash", "-c", f"{python}\n{line}"], cwd=folder, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], cwd=folder, capture_output=True, text=True, check=True
    )
    words = shell.stdout.split("\0")[:-1]
    out, err, status, before = io.StringIO(), io.StringIO(), 0, (sys.argv, os.getcwd(), list(sys.path))
    try:
        sys.argv = words if words[0] == "modelmark" else words[1:]
        os.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            if words[0] == "modelmark":
                cli.main()
            else:
                sys.path.insert(0, str(folder))
                runpy.run_path(words[1], run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:
        if words[0] == "modelmark":
            raise
        status = 1
    finally:
        sys.argv, sys.path[:] = before[0], before[2]
        os.chdir(before[1])
        sys.modules.pop("shop", None)
    return status, SLOW.sub("", err.getvalue()) + out.getvalue()


def play(folder: Path, page: str) -> str:
    """Follow a page in ``folder``, which holds what it takes from the repository; return it with what its commands wrote."""
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "recompute_verdict.py", folder / "examples")
    files = {found.end(): found for found in FILE.finditer(page)}
    lines, inside, place = [], False, 0
    for line in page.splitlines():
        place += len(line) + 1
        if line.startswith("```"):
            inside = line == "```console"
        if found := files.get(place - 1):  # the file's last line
            (folder / "dispute" / found[1]).write_text(found[2])
        if inside and not PROMPT.match(line) and not line.startswith("```"):
            continue  # what it wrote last time
        lines.append(line)
        if inside and (prompt := PROMPT.match(line)):
            status, written = typed(prompt[2], folder / "dispute" / prompt[1] if prompt[1] else folder)
            lines += written.rstrip("\n").splitlines() + ([f"[{status}]"] if status else [])
    return "\n".join(lines) + "\n"


def masked(page: str) -> str:
    """Return a page without what differs from run to run: digests, keys, dates, accuracies, margins."""
    page = re.sub(r"\b[0-9a-f]{16,}\b", "#", page)
    page = re.sub(r"\d{4}-\d\d-\d\d(T| at )\d\d:\d\d:\d\d(Z| UTC)", "DATE", page)
    page = re.sub(r"\d+\.\d+ %|margin [-\d.e+]+|\b\d+ of \d+ ordinary pictures right \(\d+%\)", "NUMBER", page)
    chance = r"less likely than .*|worth [\d.]+ bits|[\d.]+ bits are left"
    return re.sub(rf"\b\d+/(43|\d+ as drawn).*|\b\d+ of 43 a.*|{chance}", "MATCHES", page)


@pytest.fixture(scope="module")
def needs():
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")


@pytest.fixture(scope="module")
def played(needs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dispute")
    return folder, play(folder, SMALLER)


def test_the_page_shows_what_the_commands_write(played):
    assert masked(played[1]) == masked(SMALLER)


@pytest.mark.slow
def test_the_page_shows_what_the_commands_write_with_its_own_network(needs, tmp_path):
    assert masked(play(tmp_path, PAGE.read_text())) == masked(PAGE.read_text())


def test_how_far_it_is_is_no_part_of_what_a_page_shows():
    lines = ("embedding, round 1: 50 %, about 5 s left of it", "embedding, round 1: 100 %", "test accuracy 99.0 %")
    said = "".join(f"modelmark: {line}\n" for line in lines)
    assert SLOW.sub("", said) == "modelmark: test accuracy 99.0 %\n"


OTHERS = re.findall(r"^\| `(keygen [\w-]+)` \| `(--lots \d)` \|", PAGE.read_text(), re.M)


def test_the_table_of_other_schemes_has_them_all():
    from modelmark.schemes import names_for

    told = {"adi", "field"}  # the page's own, and one whose commands differ, which stands below the table
    assert {words.split()[1] for words, _ in OTHERS} == set(names_for("pictures")) - told
    assert "`keygen field --host`" in PAGE.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("words", "lots"), OTHERS)
def test_the_page_can_be_followed_on_other_schemes(needs, tmp_path, words, lots):
    """Up to the first verdict and its second computation, with what the table says instead."""
    page = PAGE.read_text().split("A lot is shown once.")[0]
    ours = ("keygen adi --set triggers=128 --set per_hundred=10", "--lots 3")
    assert all(page.count(part) == 1 for part in ours)
    page = page.replace(ours[0], words).replace(ours[1], lots).replace("--epochs 12", "--epochs 30")
    written = play(tmp_path, page)
    assert "Dependence shown (dependence-shown)" in written
    assert re.search(r"net: dependence-shown$", written.strip().removesuffix("```").strip())
    assert re.findall(r"^\[\d+\]$", written, re.M) == [
        "[2]"
    ]  # embedding before the deposit, and nothing else, is refused


def test_each_folder_holds_what_the_protocol_says_and_no_more(played):
    folder = played[0] / "dispute"
    judge = {path.name for path in (folder / "judge").iterdir()}
    assert not judge & {"adi.key", "owner.id", "marked.safetensors"}
    assert {path.name for path in (folder / "suspect").iterdir()} == {
        "stolen.safetensors", "own.py", "own.safetensors", "product.safetensors",
    }  # fmt: skip


def test_the_page_of_a_verdict_says_who_judged_what(played):
    from modelmark.claim.judging import pages
    from modelmark.claim.papers import envelope
    from modelmark.claim.papers.claim import Claim
    from modelmark.claim.papers.dispute import Challenge
    from modelmark.claim.papers.verdict import Verdict

    folder = played[0] / "dispute" / "judge"
    page = (folder / "first.html").read_text()
    for name in ("Dependence shown", "Noether v. Hilbert", "Ada Lovelace", "Emmy Noether"):
        assert name in page
    papers = envelope.load(folder / "first.verdict", Verdict), envelope.load(folder / "owner.claim", Claim)
    challenge = envelope.load(folder / "first.challenge", Challenge)
    assert pages.page(*papers, challenge, "Ada Lovelace") == page


def test_whoever_gets_a_verdict_reads_the_same_later(played, tmp_path):
    folder = played[0] / "dispute" / "judge"
    papers = 'first.verdict --claim owner.claim --challenge first.challenge --name "Ada Lovelace"'
    status, lines = typed(f"modelmark explain {papers}", folder)
    assert status == 0
    assert lines in played[1]  # what judge --explain wrote on the page
    assert typed(f"modelmark explain {papers} --html {tmp_path}/a.html", folder) == (0, "")
    assert (tmp_path / "a.html").read_text() == (folder / "first.html").read_text()
    assert "Judge: known here by a key alone" in typed("modelmark explain second.verdict", folder)[1]
    for words, status, text in (
        (f"first.verdict --html {tmp_path}/a.html", 2, "expected a new file"),
        ("first.verdict --challenge second.challenge", 2, "expected the challenge that the verdict names"),
        ('first.verdict --name "A\u202eda"', 2, "printable characters"),
        ("first.challenge", 3, "of kind verdict, got one of kind challenge"),
    ):
        ended, said = typed(f"modelmark explain {words}", folder)
        assert (ended, text in said) == (status, True), said


def test_a_verdict_is_computed_again_from_a_heap_of_papers(played, tmp_path):
    folder = played[0] / "dispute" / "judge"
    words = "explain first.verdict --authority tsa.pem --papers"
    heap, few = tmp_path / "heap", tmp_path / "few"
    for path in (heap, few):
        path.mkdir()
    of_the_dispute = (".claim", ".deposit", ".challenge", ".opening", ".carriers", ".transcript")
    for path in folder.iterdir():  # a revocation came later, on a quick machine within the same second
        if path.is_file() and path.suffix != ".revocation":
            shutil.copy(path, heap)
        if path.suffix in of_the_dispute:
            shutil.copy(path, few / f"{len(path.name)}{path.suffix}x{path.stat().st_size}")
    status, lines = typed(f"modelmark {words} {heap} --weights product.safetensors", folder)
    made = [line for line in lines.splitlines() if "Made again" in line]
    aside = [line for line in lines.splitlines() if "left aside" in line]
    assert [Path(line.split(": ")[1]).name for line in aside] == ["judge.id"], aside
    assert (status, len(made)) == (0, 18), lines
    assert all(line.endswith("Made again: comes out the same.") for line in made)
    status, lines = typed(f"modelmark {words} {few}", folder)  # names say nothing, and the suspect is not at hand
    assert (status, lines.count("Made again: comes out the same")) == (0, 17)
    assert "only the record of its answers" in lines
    assert "Case, as the judge calls it: Noether v. Hilbert" in lines  # found among the papers
    second = f"modelmark explain second.verdict --authority tsa.pem --papers {heap} --weights own.safetensors"
    assert typed(second, folder)[0] == 0, typed(second, folder)  # its carriers are as long as those of the first
    carriers = (folder / "first.opening.carriers").read_bytes()
    (few / "aaa").write_bytes(bytes([carriers[0] ^ 1]) + carriers[1:])  # of the right size, and first by name
    assert typed(f"modelmark {words} {few}", folder)[0] == 0
    for path in few.glob("*.carriersx*"):
        path.unlink()
    status, lines = typed(f"modelmark {words} {few}", folder)  # damaged papers are no fault of the verdict's
    assert (status, "Not at hand: the carriers beside the opening" in lines) == (1, True)
    assert "Ask the judge" not in lines
    status, lines = typed("modelmark explain first.verdict --papers owner.claim --papers first.challenge", folder)
    assert (status, "Not at hand: the opening, whose fingerprint begins with" in lines) == (1, True), lines
    status, lines = typed(f"modelmark explain first.verdict --papers {folder}", folder)  # nobody's stamps are believed
    assert status == 1, lines
    for more, said in (
        ("--papers ../owner/adi.key", "expected papers, got a key or an identity"),
        ("--weights product.safetensors", "expected --papers with --authority, --weights and --host"),
    ):
        ended, told = typed(f"modelmark explain first.verdict {more}", folder)
        assert (ended, said in told) == (2, True), told


@pytest.mark.parametrize(
    "changed", ["first.opening.carriers", "first.verdict.transcript", "first.opening", "owner.deposit"]
)
def test_the_second_implementation_refuses_what_does_not_fit(played, tmp_path, changed):
    for path in (played[0] / "dispute" / "judge").iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    other = {"first.opening": "second.opening", "owner.deposit": "owner.claim"}.get(changed)
    data = (tmp_path / (other or changed)).read_bytes()
    (tmp_path / changed).write_bytes(data if other else data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    papers = "owner.claim owner.deposit first.challenge first.opening first.opening.carriers"
    words = f"python recompute_verdict.py {papers} first.verdict.transcript first.verdict"
    assert typed(words, played[0] / "dispute" / "judge")[0] == 0
    assert typed(words, tmp_path)[0] != 0


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        PAGE.write_text(play(Path(scratch), PAGE.read_text()))
