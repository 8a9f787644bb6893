"""Every scheme of pictures in the table through the battery, with its default settings.

But for ``field``, which needs a trained host that is often in doubt: the digits are none; ``tests/unit/test_field.py`` has one.
"""

import pytest

from modelmark.schemes import names_for, scheme_class
from modelmark.testing import check_scheme

KERNELS = "uchida"
"""Reads means over kernels, so it is tried on a network of convolutions; all others are, too, where slow tests are."""
ALIKE = {"blackmarks", "classes", "frontier"}
"""Embedded, carried and read by the code of others that are here."""
SEEN = ("deepmarks", "neuralmark", "passports")
"""Read one layer as ``uchida`` does, with hooks that keep nothing: embedded in ``tests/unit``, here where slow tests are."""
NOISY = "certified"
"""Of hooks whose state and noise are tried in ``tests/unit/test_certified.py``; under a compiled network where slow tests are."""
OTHERS = sorted({*names_for("pictures")} - {KERNELS, "field"})


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in {*ALIKE, *SEEN, NOISY} else []) for name in OTHERS]
)
def test_battery_on_a_perceptron(name, perceptron, digits):
    fresh, unmarked, recipe = perceptron
    check_scheme(scheme_class(name)(), fresh, digits, recipe(name), most_lost=0.02, unmarked=unmarked)


@pytest.mark.parametrize("name", [KERNELS, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_battery(name, fresh, digits, recipes, unmarked):
    check_scheme(scheme_class(name)(), fresh, digits, recipes(name), most_lost=0.02, unmarked=unmarked)
