"""The false-positive study in small: benchmarks/false_positives.py is the large one."""

import functools

import numpy as np
import pytest

from modelmark.marks.keys import keygen
from modelmark.marks.reading import read
from modelmark.schemes import names_for, scheme_class
from modelmark.schemes.adi import Adi
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.schemes.field import Field
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.function import BlackBox
from modelmark.testing.false_positives import fresh_keys, levels, messages

DRAWN = {name: scheme_class(name)() for name in names_for("pictures")} | {
    "uchida direct": Uchida(projection="direct"),
    "uchida diff": Uchida(projection="diff"),
    "coupled overlay": Coupled(fusion="overlay"),
    "deepsigns, one class": DeepSigns(classes=1, bits=150),
    "field": Field(queries=300),  # of the test data, which are few
}


SYMBOLS = 2**20
"""Drawn of each alphabet: of the largest key, a thousand messages."""
DEAR = {"blackmarks": 3, "deepsigns-blackbox": 3, "field": 2, "frontier": 3}
"""Schemes whose keys take long, and how many are made every day; of others eight, of each twenty where slow tests are."""


@functools.cache
def pool(alphabet: int) -> np.ndarray:
    """Return symbols of many messages, in a row: each symbol is drawn by itself."""
    count = SYMBOLS if alphabet == 2 else SYMBOLS // 3
    return messages(alphabet, 256, count // 256).ravel()


def drawn(alphabet: int, trials: int) -> np.ndarray:
    """Return messages of so many symbols: 3000, or as many as there are."""
    count = min(3000, len(pool(alphabet)) // trials)
    return pool(alphabet)[: count * trials].reshape(count, trials)


@pytest.mark.filterwarnings("ignore::modelmark.errors.CapacityWarning")  # nothing is embedded
@pytest.mark.parametrize("name", DRAWN)
def test_evidence_on_an_unmarked_model_has_its_exact_distribution(name, unmarked, digits, secret):
    key = keygen(DRAWN[name], unmarked, digits.feed, task=digits, secret=secret)
    trials, alphabet = key.scheme.size(key.feed)
    for level in levels(key, unmarked, drawn(alphabet, trials)):
        assert abs(level.errors) < 4, level


@pytest.mark.parametrize(
    ("name", "count"),
    [(name, DEAR.get(name, 8)) for name in names_for("pictures")]
    + [pytest.param(name, 20, marks=pytest.mark.slow) for name in names_for("pictures")],
)
def test_no_fresh_key_reaches_twenty_bits_on_an_unmarked_model(name, count, unmarked, digits, secret):
    scheme = DeepSignsBlackBox(pool=2) if name == "deepsigns-blackbox" else DRAWN[name]  # each looks at every candidate
    key = keygen(scheme, unmarked, digits.feed, task=digits, secret=secret)
    assert max(fresh_keys(key, unmarked, count, digits)) < 20


def test_a_model_that_always_answers_one_class_is_no_better(unmarked, digits, secret):
    """Uniform labels: a constant answer matches a tenth of them, however the labels fell."""
    key = keygen(Adi(), unmarked, digits.feed, secret=secret)
    for label in range(10):
        found = key.mark().evidence(BlackBox(lambda x, label=label: np.full(len(x), label)))
        assert found.gross_bits < 20


def test_the_study_notices_a_message_that_is_not_drawn(unmarked, digits, secret):
    """Labels taken from the model's own answers in one draw of ten: the study must see it."""
    key = keygen(Adi(), unmarked, digits.feed, secret=secret)
    fitted = drawn(10, 100)[:2000].copy()
    answers = read(key.carriers, BlackBox(lambda x: unmarked(x).argmax(1))).scores[0].symbols
    fitted[::10, ::3] = answers[::3]
    assert max(abs(level.errors) for level in levels(key, unmarked, fitted)) > 4
