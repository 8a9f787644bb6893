"""The page on extending: what it shows makes a scheme and an attack that keep every promise, in one file of the reader's."""

import re
import sys
from pathlib import Path

import pytest

from modelmark.attacks import attack_class
from modelmark.schemes import scheme_class
from modelmark.testing import check_attack, check_scheme

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


def test_the_scheme_keeps_what_schemes_promise(mine, perceptron, digits):
    fresh, _, recipe = perceptron
    check_scheme(scheme_class("mine:Checker", trusted=True)(), fresh, digits, recipe("adi"))


def test_the_attack_keeps_what_attacks_promise(mine, unmarked, digits):
    attack = attack_class("mine:Mirror")
    assert (attack.name, attack.summary, attack.source) == (
        "mirror", "Show the stolen model pictures blended with their mirror image", "this page"
    )  # fmt: skip
    check_attack(attack(), unmarked, digits, floor=0.5)


def test_a_key_of_it_is_made_and_read_at_the_command_line(mine, run):
    words = ("--data", "digits", "--arch", "cnn")
    made = run("keygen", "mine:Checker", *words, "--unencrypted", "-o", mine / "c.key")
    assert (made.status, "100 symbols" in made.err) == (0, True)
    refused = run("embed", mine / "c.key", "-o", mine / "m.safetensors")
    assert refused.status == 2
    assert "repeat it: --scheme mine:Checker" in refused.err


def test_the_page_is_short():
    assert len(PAGE.read_text().splitlines()) < 80
