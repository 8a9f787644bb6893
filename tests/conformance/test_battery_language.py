"""Every scheme that is for causal language models alone through the battery, with its default settings."""

import pytest

import language
from modelmark.schemes import names_for, scheme_class
from modelmark.testing import check_scheme
from modelmark.training.recipe import annealed

OWN = sorted(name for name in names_for("causal") if scheme_class(name).feeds == ("causal",))


def test_there_is_one():
    assert "answers" in OWN


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_battery_of_a_language_model(name):
    recipe = annealed(2, 0.1, batch=32, weight_decay=0.0, clip=1.0)
    check_scheme(scheme_class(name)(), language.fresh(), language.task(2000), recipe, most_lost=0.02)
