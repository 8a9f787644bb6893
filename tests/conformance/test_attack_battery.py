"""Every attack in the table, of whatever kind, keeps what attacks promise, at its default settings."""

import pytest

from modelmark.attacks import ATTACKS, attack_class
from modelmark.errors import UsageError
from modelmark.models import build
from modelmark.recipe import annealed
from modelmark.testing import check_attack
from modelmark.training import fit


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


@pytest.fixture(scope="module")
def normalised(thief):
    """A network whose signs can be flipped: batch norm takes them back."""
    fresh = build("resnet8", thief.interface.input_shape, thief.interface.classes, seed=0)
    return fit(fresh, thief, annealed(8, 0.1, batch=64), seed=0)


LONG = ("adversarial-extraction", "blockdoor-adversarial", "ensemble", "ibau", "jacobian", "knockoff", "reconstruct")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in sorted(ATTACKS)]
)
def test_promises(name, unmarked, normalised, thief):
    attack = attack_class(name)()
    assert attack.name == name
    try:
        check_attack(attack, normalised if name == "flip" else unmarked, thief)
    except UsageError as error:
        if "pip install" not in error.hint:
            raise
        pytest.skip(f"{error}: {error.hint}")
