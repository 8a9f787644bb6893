"""Every attack in the table, of whatever kind, keeps what attacks promise."""

from pathlib import Path

import pytest
from attack_cases import CASES

import language
from modelmark.attacks import ATTACKS, attack_class
from modelmark.errors import MissingPackageError
from modelmark.testing import check_attack, check_description


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case.slow else (), id=str(case)) for case in CASES]
)
def test_promises(case, narrow, unmarked, flippable, thief):
    task = language.task(300) if case.net == "causal" else thief
    model = (
        language.trained()
        if case.net == "causal"
        else {"narrow": narrow, "cnn": unmarked, "resnet8": flippable}[case.net]
    )
    try:
        check_attack(case.attack(), model, task, floor=case.floor)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_descriptions(name):
    cls = attack_class(name)
    assert cls.name == name
    check_description(cls)


def test_every_attack_is_tried_and_the_pages_say_how_many():
    assert {case.name for case in CASES} == set(ATTACKS)
    root = Path(__file__).resolve().parents[2]
    assert f"[{len(ATTACKS)} attacks](docs/attacks.md)" in (root / "README.md").read_text()
    assert "not measured yet" not in (root / "docs" / "attacks.md").read_text()
