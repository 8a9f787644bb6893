"""Blocks of pages that stand by themselves, typed as printed, with small networks in place of the reader's."""

import re
import shutil
import sys

import numpy as np
import pytest
from blocks import blocks
from PIL import Image
from scripts import SCRIPTS, Script

from modelmark import cli
from modelmark.audit import grid
from modelmark.models import build
from modelmark.suspects import weights
from modelmark.testing.authority import LocalAuthority
from modelmark.training.loop import fit, suggested

SUSPECT = "suspect.safetensors"


def typed(words: list[str], capsys) -> str:
    """Type a command here, and leave its keys open; return what it wrote, and raise where it ends as no page says."""
    capsys.readouterr()
    opened = ["--unencrypted"] if words[0] in ("keygen", "identity") and "--unencrypted" not in words else []
    before, sys.argv = sys.argv, ["modelmark", *words, *opened]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    written = "".join(capsys.readouterr())
    assert (ended.value.code or 0) == int("not established" in written), f"{words}: {written}"
    return written


def plain(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", line)


def swapped(code: str, script: Script) -> str:
    for old, new in script.swaps:
        code = code.replace(old, new)
    return code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-pictures").mkdir()
    for name, picture in enumerate(np.random.default_rng(0).integers(0, 256, (100, 8, 8), np.uint8)):
        Image.fromarray(picture).save(tmp_path / "my-pictures" / f"{name}.png")
    if shutil.which("openssl"):
        (tmp_path / "authority").mkdir()
        shutil.copy(LocalAuthority.make(tmp_path / "authority").root, tmp_path / "tsa.pem")
    return tmp_path


def trained(arch, unmarked, digits):
    if arch == "cnn":
        return unmarked
    fresh = build(arch, digits.feed.input_shape, digits.feed.classes, seed=0)
    return fit(fresh, digits, suggested(fresh, digits, epochs=15), seed=0)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(one, marks=[] if one.daily else pytest.mark.slow, id=f"{one.page}: {one.titles[0][:50]}")
        for one in SCRIPTS
    ],
)
def test_blocks_of_a_page_do_what_they_say(script, folder, unmarked, digits, recipe, capsys):
    host = trained(script.arch, unmarked, digits)
    for name in ("trained", "model", "mine"):
        weights.save(host, folder / f"{name}.safetensors")
    for line in script.before:
        typed(line.split()[1:], capsys)
    for title in script.titles:
        (block,) = (each for each in blocks() if each.page == script.page and each.named(title))
        if block.language == "python":
            given = {"model": host, "host": host, "suspect": host, "task": digits, "recipe": recipe}
            exec(compile(block.code, block.page, "exec"), given)
            printed = capsys.readouterr().out.splitlines()
            assert len(printed) == block.code.count("print(")
            assert all(script.says in line for line in printed), printed
            continue
        if "tsa.pem" in block.code and not (folder / "tsa.pem").exists():
            pytest.skip("openssl is not installed: no timestamp authority to name")
        wrote = []
        for words in block.commands():
            if SUSPECT in words[1:] and words[words.index(SUSPECT) - 1] != "-o" and not (folder / SUSPECT).exists():
                marked = folder / "marked.safetensors"
                shutil.copy(marked if marked.exists() else folder / "mine.safetensors", folder / SUSPECT)
            wrote += typed([swapped(word, script) for word in words], capsys).splitlines()
        verdicts = [line for line in block.code.splitlines() if line.endswith("established")]
        assert [plain(line) for line in verdicts if plain(line) not in map(plain, wrote)] == []
        assert wrote


def test_grids_on_the_page_of_audits_load(folder, monkeypatch):
    page = {block.language: block.code for block in blocks("toml", "python") if block.page == "docs/audit.md"}
    (folder / "grid.toml").write_text(page["toml"])
    assert {entry.name for entry in grid.load("grid.toml").attacks} == {"prune", "finetune", "chain"}
    (folder / "mine.py").write_text(page["python"])
    monkeypatch.syspath_prepend(folder)
    import mine

    assert [entry.name for entry in mine.GRID.attacks] == ["mine:SignBlur", "prune"]
    sys.modules.pop("mine")
