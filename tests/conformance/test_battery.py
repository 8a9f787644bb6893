"""Every scheme of pictures in the table through the battery, with its default settings, some every day with a smaller key.

But for ``field``, which needs a trained host that is often in doubt: the digits are none; ``tests/unit/test_field.py`` has one.
"""

from dataclasses import replace

import pytest

from modelmark.schemes import names_for, scheme_class
from modelmark.testing import check_scheme
from modelmark.testing.schemes import check_untrained
from modelmark.training.recipe import annealed

KERNELS = "uchida"
"""Reads means over kernels, so it is tried on a network of convolutions; all others are, too, where slow tests are."""
ALIKE = {"blackmarks", "classes", "frontier"}
"""Embedded, carried and read by the code of others that are here."""
SEEN = {"deepmarks", "neuralmark", "passports", "riga", "zhang"}
"""Embedded in ``tests/unit``, and here where slow tests are; what is promised before is tried every day."""
SOON = {"deepsigns", "entangled", "null", "spread"}
"""In after half as many passes as it takes the others."""
SMALL = {
    "adi": {"triggers": 50},
    "composite": {"queries": 3},
    "coupled": {"symbols": 45},
    "deepsigns-blackbox": {"keys": 50, "pool": 4},
    "margin": {"triggers": 50},
}
"""Keys of half the default size, which are in after half as many passes; the default is tried where slow tests are."""
DECAYED = "composite"
"""Costs a perceptron 2.5 points of accuracy by default, and half a point with fewer queries and four times the decay."""
PASSES = {"coupled": 25, "margin": 20} | dict.fromkeys(SOON | {"adi", "deepsigns-blackbox"}, 12)
"""Of a perceptron, where fewer do."""
NOISY = "certified"
"""Of hooks whose state and noise are tried in ``tests/unit/test_certified.py``; under a compiled network where slow tests are."""
OTHERS = sorted({*names_for("pictures")} - {KERNELS, "field"})


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in {*ALIKE, *SEEN, NOISY} else []) for name in OTHERS],
)
def test_battery_on_a_perceptron(name, perceptron, digits):
    fresh, unmarked, recipe = perceptron
    passes = annealed(PASSES[name], 0.2, batch=64, clip=1.0) if name in PASSES else recipe(name)
    if name == DECAYED:
        passes = replace(passes, weight_decay=4 * passes.weight_decay)
    check_scheme(scheme_class(name)(**SMALL.get(name, {})), fresh, digits, passes, most_lost=0.02, unmarked=unmarked)


@pytest.mark.parametrize("name", sorted(ALIKE | SEEN))
def test_before_a_mark_is_in(name, perceptron, digits):
    fresh, _, recipe = perceptron
    check_untrained(scheme_class(name)(), fresh, digits.subset(300, seed=0), recipe(name))


def test_battery_on_a_trained_network(digits, unmarked):
    """A mark in kernels, in a few passes more."""
    check_scheme(
        scheme_class(KERNELS)(),
        unmarked,
        digits,
        annealed(6, 0.05, batch=64, clip=1.0),
        most_lost=0.02,
        unmarked=unmarked,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [KERNELS, *OTHERS])
def test_battery(name, fresh, digits, recipes, unmarked):
    check_scheme(scheme_class(name)(), fresh, digits, recipes(name), most_lost=0.02, unmarked=unmarked)
