"""Every attack in the table, of whatever kind, keeps what attacks promise, at its default settings."""

from pathlib import Path

import pytest

from modelmark.attacks import ATTACKS, attack_class
from modelmark.errors import MissingPackageError
from modelmark.testing import check_attack

LONG = ("adversarial-extraction", "blockdoor-adversarial", "ensemble", "ibau", "jacobian", "knockoff", "reconstruct")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in sorted(ATTACKS)]
)
def test_promises(name, unmarked, flippable, thief):
    attack = attack_class(name)()
    assert attack.name == name
    try:
        check_attack(attack, flippable if name == "flip" else unmarked, thief)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")


def test_fifty_attacks_and_more_and_the_pages_say_how_many():
    assert len(ATTACKS) >= 50
    root = Path(__file__).resolve().parents[2]
    assert f"[{len(ATTACKS)} attacks](docs/attacks.md)" in (root / "README.md").read_text()
    assert "not measured yet" not in (root / "docs" / "attacks.md").read_text()
