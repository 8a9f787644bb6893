"""Every scheme in the table through the battery, with its default settings."""

import pytest

from modelmark.schemes import SCHEMES, scheme_class
from modelmark.testing import check_scheme


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_battery(name, fresh, digits, recipes, unmarked):
    check_scheme(scheme_class(name)(), fresh, digits, recipes(name), most_lost=0.02, unmarked=unmarked)
