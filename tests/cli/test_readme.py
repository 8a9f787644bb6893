"""The README's transcript, typed in; and the examples, run."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from modelmark.models import build
from modelmark.suspects import weights

ROOT = Path(__file__).resolve().parents[2]


def transcript() -> list[tuple[list[str], str]]:
    """Return the commands of the README's console block with the output shown below each."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    steps = []
    for part in block.split("$ ")[1:]:
        command, _, output = part.partition("\n")
        steps.append((shlex.split(command), output.strip()))
    return steps


def without_numbers_of_chance(text: str) -> str:
    """A wrong key's matches differ from key to key; everything else is compared as it stands."""
    return (
        re.sub(r"\d+/100 expected answers, [\d.]+ bits", "N/100 expected answers, N bits", text)
        if ": not " in text
        else text
    )


QUICK = {"keygen": ["--set", "per_hundred=20"], "embed": ["--epochs", "6"]}
"""What is typed besides, so that it is quick on a smaller network."""
AS_PRINTED = [False, pytest.param(True, marks=pytest.mark.slow)]


@pytest.mark.parametrize("printed", AS_PRINTED)
def test_the_readme_transcript_is_what_happens(printed, run, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    arch = "cnn" if printed else "mlp"
    download = request.getfixturevalue("unmarked") if printed else build("mlp", (1, 8, 8), 10, seed=1)
    weights.save(download, tmp_path / "download.safetensors")  # as the demo's unmarked.safetensors
    steps = transcript()
    assert len(steps) == 6
    for words, output in steps:
        assert words[0] == "modelmark"
        more = [] if printed else QUICK.get(words[1], [])
        ran = run(*(arch if word == "cnn" else word for word in words[1:]), *more)
        assert without_numbers_of_chance(ran.out.strip()) == without_numbers_of_chance(output), ran
        assert ran.status == (1 if "not established" in output else 0)


@pytest.mark.parametrize("printed", AS_PRINTED)
def test_the_demo_makes_what_it_says(printed, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("demo", *([] if printed else ["--arch", "mlp", "--epochs", 6]), "-o", "demo")
    assert ran.status == 0
    rows = [line for line in ran.out.splitlines() if "established" in line and "What" not in line]
    verdicts = ["not established" if "not established" in row else "established" for row in rows]
    assert verdicts == ["established"] * 2 + ["not established"] * 2 + ["established"] * 4 + ["not established"] * 2
    assert run("verify", "demo/adi.key", "--weights", "demo/pruned.safetensors").status == 0
    assert run("demo", "-o", "demo").status == 2


def test_the_readme_is_short_and_explains_its_words():
    """As long as that of ``age``, and no word of the trade before the section that says what the number means."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    before, after = text.split("## What the number means")
    assert not re.findall(r"\b(?:carriers?|draws?|drawn|charged?|charges|hosts?|net bits)\b", before)
    assert "`net 252.1`" in after


def test_readme_links_lead_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("printed", AS_PRINTED)
def test_own_loop(printed, capsys, whole_mlp):
    loop = (ROOT / "examples" / "own_loop.py").read_text()
    smaller = loop.replace('"cnn"', '"mlp"')
    assert smaller != loop
    with torch.random.fork_rng():
        exec(compile(loop if printed else smaller, "own_loop.py", "exec"), {"__name__": "__main__"})
    assert re.findall(r": (\w+ ?\w+)$", capsys.readouterr().out, re.MULTILINE) == ["established", "established"]
    assert "modelmark.fit" not in loop
    assert "modelmark.embed" not in loop


@pytest.mark.parametrize(("name", "most"), [("adi-triggers.png", 3), ("adi-triggers-few.png", 1)])
def test_contact_sheet(tmp_path, monkeypatch, name, most):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import contact_sheet

    contact_sheet.main(str(tmp_path / name), str(most))
    assert (tmp_path / name).read_bytes() == (ROOT / "docs" / "img" / name).read_bytes()
