"""RIGA: what the secret network reads, what the detector hides, and why the extractor may not be trained after the message."""

import dataclasses

import numpy as np
import pytest
import torch
from layer_marks import FEED, embedded, key, net

from modelmark.carriers.extracted import LEAK, Extracted
from modelmark.carriers.rows import real
from modelmark.errors import CapacityError
from modelmark.marks.keys import keygen
from modelmark.schemes.riga import Riga
from modelmark.suspects.module import WhiteBox

SCHEME = Riga(layer="1", bits=32, hidden=128)


@pytest.fixture(scope="module")
def mark():
    return key(SCHEME).mark()


@pytest.fixture(scope="module")
def marked(mark):
    return embedded(mark, net(), steps=150, rate=0.03)


def spread(model):
    return float(model[1].weight.detach().mean(0).std())


def test_a_marked_layer_is_read_and_neither_another_nor_by_another_key(mark, marked):
    assert mark.evidence(WhiteBox(marked)).matches == 32
    assert float(mark.margins(marked).min()) >= 0.1
    for other in (mark.evidence(WhiteBox(net())), key(SCHEME, bytes(32)).mark().evidence(WhiteBox(marked))):
        assert other.matches < 29


def test_the_detector_keeps_the_mean_filter_from_growing(mark, marked):
    open_ = embedded(key(dataclasses.replace(SCHEME, hide=0.0)).mark(), net(), steps=150, rate=0.03)
    assert spread(net()) < spread(marked) < spread(open_)


def test_a_factor_of_the_weights_changes_no_bit(mark, marked):
    other = net()
    other.load_state_dict(marked.state_dict())
    with torch.no_grad():
        other[1].weight.mul_(0.01)
    assert mark.evidence(WhiteBox(other)).matches == 32


def test_an_extractor_fitted_after_the_message_reads_it_in_any_network():
    """Why it is fixed and committed before the draw: the paper trains it, and this is what training may do."""
    mean = net()[1].weight.detach().double().mean(0).numpy()
    made = key(SCHEME).carriers
    units = real(made.inner) @ mean
    units = np.where(units > 0, units, LEAK * units)
    fitted = np.rint(65536 * np.sign(units) * np.ones((32, 1))).astype(np.int32)
    assert (Extracted(made.inner, fitted, "1").answers([mean[None]]) == 1).all()
    assert not (made.answers([mean[None]]) == 1).all()


def test_rows_of_outputs_add_up_to_nothing_and_all_ones_is_no_evidence(mark):
    assert (mark.key.carriers.outer.sum(axis=1) == 0).all()
    literal = key(dataclasses.replace(SCHEME, message="ones"))
    assert (literal.mark().message == 1).all()
    assert "bits are correlated" in literal.scheme.objection()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Riga(hidden=0), ValueError),
        (lambda: Riga(hide=-1), ValueError),
        (lambda: keygen(Riga(layer="1", bits=65), net(), FEED), CapacityError),
        (lambda: keygen(Riga(layer="1", bits=50, hidden=49), net(), FEED), CapacityError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()
