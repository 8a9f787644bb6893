"""Every attack in the table, of whatever kind, keeps what attacks promise."""

from pathlib import Path

import pytest
from attack_cases import CASES

from modelmark.attacks import ATTACKS, attack_class
from modelmark.errors import MissingPackageError
from modelmark.testing import check_attack, check_description


def tried(case, model, task):
    try:
        check_attack(case.attack(), model, task, floor=case.floor)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case.slow else (), id=str(case)) for case in CASES]
)
def test_promises(case, stolen_in):
    tried(case, *stolen_in(case))


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case.net == "perceptron"], ids=str)
def test_promises_on_convolutions(case, narrow, thief):
    tried(case, narrow, thief)


def test_descriptions():
    for name in ATTACKS:
        cls = attack_class(name)
        assert cls.name == name
        try:
            check_description(cls)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_every_attack_is_tried_and_the_pages_say_how_many():
    assert {case.name for case in CASES} == set(ATTACKS)
    root = Path(__file__).resolve().parents[2]
    assert f"[{len(ATTACKS)} attacks](docs/attacks.md)" in (root / "README.md").read_text()
    assert "not measured yet" not in (root / "docs" / "attacks.md").read_text()
