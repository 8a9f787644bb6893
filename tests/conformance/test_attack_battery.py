"""Every attack in the table, of whatever kind, keeps what attacks promise, at its default settings."""

import pytest

from modelmark.attacks import ATTACKS, attack_class
from modelmark.errors import UsageError
from modelmark.testing import check_attack


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_promises(name, unmarked, digits):
    attack = attack_class(name)()
    assert attack.name == name
    try:
        check_attack(attack, unmarked, digits)
    except UsageError as error:
        if "pip install" not in error.hint:
            raise
        pytest.skip(f"{error}: {error.hint}")
