"""The page on ``field``, typed as printed: rehearsed, made, marked, copied and read."""

import re
import shlex
from pathlib import Path

import pytest
from test_dispute import typed
from test_large_models import CONSOLE, FILE, commands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schemes" / "field.md"


def masked(line: str) -> str:
    """Return a line without the numbers and the key's name, which hang on the draw, nor by which rule; verdict and words stay."""
    line = re.sub(r"score (\S+) of (\S+) \(\w+\)|(\S+) expected signs", "#", line)
    return re.sub(r"\b[0-9a-f]{16}\b|\d+(\.\d+)?", "#", re.sub(r"; read with .*", "", line))


def test_what_the_test_compares_is_the_verdict_and_all_that_does_not_hang_on_the_draw():
    graded = (
        "field: score 3297 of 3938 (exact), 150.9 bits (net 69.3): established; read with how clearly each sign shows"
    )
    counted = "field: 470/640 expected signs, 150.1 bits (net 68.5): established"
    assert masked(graded) == masked(counted) == "field: #, # bits (net #): established"
    assert masked("field: 333/640 expected signs, 2.6 bits (net 0.0): not established") != masked(counted)


def test_every_command_of_the_page_has_the_options_it_is_typed_with(run):
    typed_in = [shlex.split(command) for command, _ in commands(PAGE.read_text()) if command.startswith("modelmark ")]
    assert {words[1] for words in typed_in} == {"rehearse", "keygen", "embed", "verify", "attack"}
    for words in typed_in:
        assert run(*words[1:], "--help").status == 0, words
    assert run(*typed_in[0][1:], "--no-such-option", "--help").status == 2  # options are looked at before


@pytest.mark.slow
def test_the_page_is_typed(tmp_path):
    """``test_field_cli.py`` has the same story with a smaller network and less data."""
    page = PAGE.read_text()
    files, blocks = FILE.findall(page), CONSOLE.findall(page)
    assert len(files) == len(blocks) == 1
    for name, text in files:
        (tmp_path / name).write_text(text)
    for command, expected in commands(page):
        status, written = typed(command, tmp_path)
        lines = [masked(line) for line in [*written.splitlines(), *([f"[{status}]"] if status else [])]]
        missing = [line for line in map(masked, expected) if line not in lines]
        assert not missing, f"{command} wrote {lines}"
