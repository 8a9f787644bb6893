"""The page on a large model, typed as printed: made, marked, tuned, merged, quantised and read by the real tools."""

import re
from pathlib import Path

import pytest
from test_dispute import typed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "large-models.md"
FILE = re.compile(r"`([\w.]+)`:\n\n```python\n(.*?)^```", re.M | re.S)
CONSOLE = re.compile(r"```console\n(.*?)^```", re.M | re.S)


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Return what is typed, each with the lines that are shown for it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(CONSOLE.findall(page)).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def masked(line: str) -> str:
    """Return a line without numbers that hang on the key: those of an evidence that is not whole, and margins."""
    whole = "1024/1024 expected" in line
    return line if whole else re.sub(r"\d+(\.\d+)?(?=/| bits|\)|, needs)|(?<=net )\d+(\.\d+)?", "#", line)


def test_what_the_test_compares_is_all_that_does_not_hang_on_the_key():
    assert masked("spread: 744/1024 expected bits, 161.8 bits (net 80.8): established") == masked(
        "spread: 800/1024 expected bits, 250.1 bits (net 99.0): established"
    )
    assert masked("(weakest margin 0.296, needs 0.1)") == masked("(weakest margin 0.310, needs 0.1)")
    for line in ("spread: 1024/1024 expected bits, 1024.0 bits (net 943.0): established", "100,092,672 weights"):
        assert masked(line) == line


@pytest.mark.slow
def test_the_page_is_typed(tmp_path):
    for package in ("transformers", "torchao"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    page = PAGE.read_text()
    for name, text in FILE.findall(page):
        (tmp_path / name).write_text(text)
    for command, expected in commands(page):
        status, written = typed(command, tmp_path)
        lines = [masked(line) for line in [*written.splitlines(), *([f"[{status}]"] if status else [])]]
        missing = [line for line in map(masked, expected) if line not in lines]
        assert not missing, f"{command} wrote {lines}"
