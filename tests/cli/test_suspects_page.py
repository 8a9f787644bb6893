"""The page on suspects that are asked: its Python runs, its template loads, and it names every template and setting there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from modelmark.suspects.http import templates
from modelmark.suspects.http.endpoint import Reached
from modelmark.suspects.runtimes import RUNTIMES
from modelmark.suspects.runtimes.running import Ports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "suspects.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_bridge_runs(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("keygen", "adi", "--data", "digits", "--arch", "cnn", "--unencrypted", "-o", "owner.key").status == 0
    (code,) = blocks("python")
    exec(compile(code, "suspects.md", "exec"), {})
    assert re.match(r"adi: \d+/100 expected answers", capsys.readouterr().out)


def test_the_template_loads(tmp_path):
    pytest.importorskip("jmespath", reason="jmespath is not installed")
    (text,) = blocks("json")
    (tmp_path / "shop.json").write_text(text)
    assert templates.load(str(tmp_path / "shop.json")).answer == "result.scores"


def test_every_template_setting_and_placeholder_is_named():
    from modelmark.suspects.http.body import FILL

    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {word for line in rows for word in re.findall(r"`([\w-]+)`", line.split("|")[1])}
    assert set(templates.names()) <= named
    said = named | {"model", "top"}  # in the text
    assert {one.name for one in (*fields(Reached), *fields(Ports))} - {"answer"} <= said
    assert all(f"`{{{word}}}`" in PAGE for word in FILL)
    assert len(RUNTIMES) == PAGE.count("| `modelmark[")
