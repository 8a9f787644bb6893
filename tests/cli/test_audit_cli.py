"""``modelmark audit``: what it refuses before any work, what it runs, and what it says of the results."""

import json
from pathlib import Path

import numpy as np
import pytest

import language
from modelmark.audit.result import INDEPENDENT, read

GRID = """
arch = "mlp"
epochs = 2
owner = 300
most = 150
schemes = { uchida = { layer = "fc2", bits = 160, strength = 10.0 } }
attacks = ["permute", "jpeg", "prune-channels"]
"""


@pytest.fixture
def grid(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    return tmp_path / "grid.toml"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["quikc"], "hint: did you mean quick"),
        (["standard"], "hint: name it: --data"),
        (["quick", "--seed", 1, "--seed", 1], "expected different seeds from 0 to 2**32 - 1, got [1, 1]"),
        (["quick", "--seed", 2**32], "--seed"),
        (["quick", "--arch", "cnnn"], "did you mean cnn"),
        (["quick", "--dask", "nonsense"], "expected a Dask scheduler at nonsense"),
        (["quick", "--data", "digist"], "digits"),
        (["quick", "--protocol", "ieee"], "expected --protocol ieee-3304 or none, got 'ieee'"),
        (["quick", "--recipe", "short"], "expected the recipe whole or default, got 'short'"),
        (["absent.toml"], "expected a grid in TOML at absent.toml, found none"),
    ],
)
def test_mistakes_are_refused_before_any_work(words, said, tmp_path, run):
    ran = run("audit", *words, "-o", tmp_path / "rows.jsonl")
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_typo_in_a_file_is_suggested_and_nothing_is_made(grid, tmp_path, run):
    grid.write_text(GRID.replace("jpeg", "jpge"))
    ran = run("audit", grid, "-o", tmp_path / "rows.jsonl")
    assert (ran.status, "did you mean jpeg" in ran.err) == (2, True)
    assert list(tmp_path.iterdir()) == [grid]


OWN = """
from modelmark.models import build

def small():
    return build("mlp", (1, 8, 8), 10, seed=5)

def large():
    return build("mlp", (1, 28, 28), 10, seed=5)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a person's own networks, named after the test's folder: what is imported once stays."""
    name = f"networks_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.slow  # the language model below is one of ones own, too
def test_a_network_of_ones_own_is_audited_where_it_was_typed(own, grid, tmp_path, run):
    output = tmp_path / "rows.jsonl"
    grid.write_text(GRID.replace('"permute", "jpeg", "prune-channels"', '"jpeg"'))
    ran = run("audit", grid, "-o", output, "--jobs", 1, "--arch", f"{own}:small")
    assert (ran.status, {result.arch for result in read(output)[0]}) == (0, {f"{own}:small"})


def test_a_network_that_does_not_fit_or_was_not_typed_is_refused_before_anything_is_made(own, grid, tmp_path, run):
    before = {path for path in tmp_path.iterdir() if path.is_file()}
    ran = run("audit", grid, "-o", tmp_path / "rows.jsonl", "--arch", f"{own}:large")
    assert (ran.status, "expected a network for inputs (1, 8, 8)" in ran.err) == (3, True)
    ran = run("audit", grid, "-o", tmp_path / "rows.jsonl", "--arch", f"{own}:absent")
    assert (ran.status, "expected 'absent' in module" in ran.err) == (2, True)
    grid.write_text(GRID.replace('"mlp"', f'"{own}:small"'))
    ran = run("audit", grid, "-o", tmp_path / "rows.jsonl")
    assert (ran.status, "name it where the audit is started" in ran.err) == (2, True)
    assert {path for path in tmp_path.iterdir() if path.is_file()} == before
    assert not (tmp_path / "rows.jsonl.nets").exists()


@pytest.mark.parametrize("content", ["dear diary\n", "[core]", '{"type": "modelmark.key"}\n'])
def test_a_file_of_something_else_is_left_alone(content, grid, tmp_path, run):
    (tmp_path / "mine").write_text(content)
    ran = run("audit", grid, "-o", tmp_path / "mine")
    assert (ran.status, ran.out) == (3, "")
    assert (tmp_path / "mine").read_text() == content
    assert not (tmp_path / "mine.nets").exists()


def test_the_protocol_judges_the_unmarked_network_and_shows_its_tables(grid, tmp_path, run):
    grid.write_text(GRID.replace('"permute", "jpeg", "prune-channels"', '"permute"'))
    ran = run("audit", grid, "-o", tmp_path / "rows.jsonl", "--jobs", 1, "--protocol", "ieee-3304")
    assert ran.status == 0
    assert (
        "uchida: M = 1, D = 1; 1 of M x D = 1 networks marked; payload 160 symbols of alphabet 2 (160.0 bits)"
        in ran.out
    )
    assert "false positives before any modification: 0 of 1 unmarked network" in ran.out
    [line] = [line.split() for line in ran.out.splitlines() if line.startswith("  permute ")]
    assert line[1:8] == ["1/1", "1/1", "1", "0", "0", "1", "0.000"]
    assert run("report", tmp_path / "rows.jsonl", "--format", "ieee-3304").out == ran.out


def test_a_grid_is_run_summed_up_and_gone_on_with(grid, tmp_path, run):
    output = tmp_path / "rows.jsonl"
    ran = run("audit", grid, "-o", output, "--jobs", 1)
    assert ran.status == 0
    assert f"{output}: 4 rows" in ran.err
    rows = {result.attack: result for result in read(output)[0]}
    assert {name: result.status for name, result in rows.items()} == {
        INDEPENDENT: "done", "permute": "done", "jpeg": "refused", "prune-channels": "done",
    }  # fmt: skip
    fell = sorted(name for name, result in rows.items() if result.succeeded)
    alone, first, *others = ran.out.splitlines()
    after = rows[INDEPENDENT].after
    assert alone == f"uchida: unmarked, same make: {after['matches']} of 160 not established"
    assert first == f"uchida: removed by {len(fell)} of 2 attacks at no more than 5 points of accuracy"
    assert others == ([f"  {', '.join(fell)}"] if fell else [])

    before = output.read_bytes()
    output.write_bytes(before[:-40])  # torn off in the middle of its last row
    again = run("audit", grid, "-o", output, "--jobs", 1)
    assert (again.status, again.out) == (0, ran.out)
    assert "3 of 4 rows are there" in again.err
    assert output.read_bytes().startswith(before[: before[:-1].rfind(b"\n") + 1])
    assert len(read(output)[0]) == 4

    grid.write_text(GRID.replace('"permute", "jpeg", "prune-channels"', '"jpeg"') + "thief = 0.2\n")
    other = run("audit", grid, "-o", output, "--jobs", 1)  # what another setup measured is not summed up with this one
    assert f"{output}: 2 rows, and 4 of other grids" in other.err
    assert other.out.splitlines()[1:] == ["uchida: no attack met its mark"]
    grid.write_text(GRID)

    row = json.loads(before.decode().splitlines()[1])  # what a file says reaches the terminal as plain text
    odd = {"scheme": "\x1b[2Jevil", "status": "failed", "reason": "\x1b[31mred\u202e"}
    with output.open("a") as stream:
        stream.write(json.dumps(row | odd) + "\n")
    ran = run("audit", grid, "-o", output)
    assert "failed: [2Jevil x permute: [31mred" in ran.out
    assert not set(ran.out) & set("\x1b\u202e")


LANGUAGE = """
epochs = 2
attacks = ["noise", "quantise"]
schemes = { spread = {} }
"""
TOLD = """
import sys
sys.path.insert(0, {tests!r})
import language

def make():
    return language.fresh()
"""


def test_a_language_model_is_audited_by_its_perplexity(tmp_path, run, monkeypatch):
    name = f"languages_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(TOLD.format(tests=str(Path(__file__).parents[1])))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "grid.toml").write_text(LANGUAGE)
    rows = language.rows()[:700].numpy()
    np.savez(tmp_path / "t.npz", train_tokens=rows[:600], test_tokens=rows[600:], vocabulary=[96])
    words = ["audit", tmp_path / "grid.toml", "-o", tmp_path / "rows.jsonl", "--jobs", 1, "--arch", f"{name}:make"]
    ran = run(*words, "--data", f"tokens:{tmp_path / 't.npz'}")
    assert ran.status == 0, ran.err
    assert "at no more than 5 % of perplexity" in ran.out
    for result in read(tmp_path / "rows.jsonl")[0]:
        told = result.perplexity
        assert result.status == "done", result.reason
        assert 1 < told.marked < 96
        assert result.kind == INDEPENDENT or result.lost == told.after / told.marked - 1
    page = run("report", tmp_path / "rows.jsonl", "--format", "text")
    assert "points are percents by which perplexity rose" in " ".join(page.out.split())
