"""The README's transcript, typed in; and the examples, run."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import torch

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


def test_the_readme_transcript_is_what_happens(run, tmp_path, monkeypatch, unmarked):
    monkeypatch.chdir(tmp_path)
    weights.save(unmarked, tmp_path / "download.safetensors")  # as the demo's unmarked.safetensors
    steps = transcript()
    assert len(steps) == 6
    for words, output in steps:
        assert words[0] == "modelmark"
        ran = run(*words[1:])
        assert without_numbers_of_chance(ran.out.strip()) == without_numbers_of_chance(output), ran
        assert ran.status == (1 if "not established" in output else 0)


def test_the_demo_makes_what_it_says(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run("demo", "--epochs", 15, "-o", "demo")
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


def test_own_loop(capsys):
    with torch.random.fork_rng():
        runpy.run_path(str(ROOT / "examples" / "own_loop.py"), run_name="__main__")
    assert re.findall(r": (\w+ ?\w+)$", capsys.readouterr().out, re.MULTILINE) == ["established", "established"]
    loop = (ROOT / "examples" / "own_loop.py").read_text()
    assert "modelmark.fit" not in loop
    assert "modelmark.embed" not in loop


@pytest.mark.parametrize(("name", "most"), [("adi-triggers.png", 3), ("adi-triggers-few.png", 1)])
def test_contact_sheet(tmp_path, monkeypatch, name, most):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import contact_sheet

    contact_sheet.main(str(tmp_path / name), str(most))
    assert (tmp_path / name).read_bytes() == (ROOT / "docs" / "img" / name).read_bytes()
