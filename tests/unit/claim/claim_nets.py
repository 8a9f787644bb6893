"""Networks of digits that are fought over: each is built by its name, as a judge builds what a claim committed to."""

import functools

import pytest

import nets
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.schemes import scheme_class
from modelmark.suspects import weights

SETTLED = ("adi", "uchida")
"""Schemes whose marks go into a trained network without an epoch, as embedding does where nobody names a recipe."""


def mlp(digits):
    """The one that trains in a quarter of the time of ``nets.cnn``; for what does not ask for convolutions."""
    return build("mlp", digits.feed.input_shape, digits.feed.classes, seed=0)


def around(make, epochs=8):
    """Return the fixtures of ``nets.around``, of which the last makes marks with as little training as will do."""
    fresh, made_once, unmarked, _ = nets.around(make, epochs)

    @pytest.fixture(scope="session", name="stolen")
    def stolen(unmarked, digits, recipes, made_once):
        def marked(mark):
            name = mark.key.scheme.name
            if name == "spread":
                return imprint(unmarked, mark)
            return embed(unmarked, [mark], digits, None if name in SETTLED else recipes(name), seed=1).model

        @functools.cache
        def get(name):
            owner = Provenance(host=weights.digest(unmarked.state_dict()))
            secret, scheme = Secret(bytes(range(32))), scheme_class(name)()
            mark = keygen(scheme, unmarked, digits.feed, task=digits, secret=secret, owner=owner).mark()
            return mark, made_once(f"disputed-{name}", lambda: marked(mark))

        return get

    return fresh, made_once, unmarked, stolen
