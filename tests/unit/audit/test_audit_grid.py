"""Grids: from TOML, from Python and built in; every mistake shows before any work."""

import pytest

from modelmark.attacks import ATTACKS, attack_class
from modelmark.audit import grid as grids
from modelmark.audit.grid import GRIDS, Entry, Grid
from modelmark.audit.result import INDEPENDENT
from modelmark.audit.run import cells
from modelmark.errors import UsageError
from modelmark.schemes import names_for


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return str(path)

    return write


def test_names_settings_and_strengths(toml):
    grid = grids.load(
        toml("""
        arch = "mlp"
        seeds = [3, 4]
        thief = 0.5
        [schemes.adi]
        triggers = 120
        [attacks]
        prune = [{ amount = 0.5 }, { amount = 0.9 }]
        finetune = { rate = 0.01 }
        """)
    )
    assert (grid.arch, grid.seeds, grid.thief) == ("mlp", (3, 4), 0.5)
    assert grid.scheme_entries() == (Entry("adi", ({"triggers": 120},)),)
    assert [(cell.seed, cell.attack, cell.settings) for cell in cells(grid)] == [
        (seed, name, settings)
        for seed in (3, 4)
        for name, settings in (
            (INDEPENDENT, {}),
            ("prune", {"amount": 0.5}),
            ("prune", {"amount": 0.9}),
            ("finetune", {"rate": 0.01}),
        )
    ]


def test_what_is_left_open_is_everything():
    grid = Grid(sweep=True)
    assert {entry.name for entry in grid.scheme_entries()} == set(names_for("pictures"))
    strengths = {entry.name: len(entry.strengths) for entry in grid.attack_entries()}
    assert strengths == {name: len(attack_class(name).strengths) for name in ATTACKS}


@pytest.mark.parametrize("name", GRIDS)
def test_the_built_in_grids_hold_together(name):
    assert len(cells(grids.checked(GRIDS[name]))) > 50


def test_quick_covers_what_it_promises():
    assert len(GRIDS["quick"].attack_entries()) >= 12
    assert {attack_class(entry.name).kind for entry in GRIDS["quick"].attack_entries()} >= {
        "modification",
        "extraction",
        "evasion",
        "forgery",
        "detection",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shemes = []", "schemes"),
        ('schemes = ["ady"]', "did you mean adi"),
        ('attacks = ["purne"]', "did you mean prune"),
        ("[attacks.prune]\nammount = 0.5", "did you mean amount"),
        ("[attacks.prune]\namount = 7", "from 0 to 1"),
        ("[schemes]\nadi = [{}, {}]", "one set of settings"),
        ("thief = 1.5", "between 0 and 1"),
        ("seeds = [1, 1]", "different seeds"),
        ('seeds = "many"', "seeds"),
        ("seeds = ", "TOML"),
        ("attacks = 3", "list of names"),
        ('attacks = ["os:system"]', "runs its code"),
        ("most = -1", "negative"),
        ('recipe = "short"', "'whole' or 'default'"),
        ("seeds = [4294967296]", "different seeds from 0 to 2**32 - 1"),
        ("attacks = []", "expected some attacks in"),
        ('arch = "cnnn"', "did you mean cnn"),
        ('data = "digit"', "did you mean digits"),
    ],
)
def test_a_mistake_is_one_line(toml, text, words):
    with pytest.raises(UsageError) as caught:
        grids.load(toml(text))
    assert words in f"{caught.value} {caught.value.hint}"
    assert "\n" not in str(caught.value)


def test_names_alone_are_no_entries():
    with pytest.raises(UsageError, match=r"expected schemes and attacks as Entry\(name\), got 'adi'"):
        Grid(schemes=("adi",))


def test_an_unknown_grid_is_suggested():
    with pytest.raises(UsageError) as caught:
        grids.load("quikc")
    assert "quick" in caught.value.hint
