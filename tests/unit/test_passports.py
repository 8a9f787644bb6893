"""Passports: signs of scale factors, the ambiguity attack that a commitment answers, and the flip that nothing answers."""

import dataclasses

import numpy as np
import pytest
import torch
from layer_marks import FEED, embedded, key, net

from modelmark import hashing
from modelmark.carriers.passports import Passports as Rows
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError
from modelmark.key.draw import Draw
from modelmark.marks.keys import keygen
from modelmark.schemes.passports import Passports
from modelmark.suspects.module import WhiteBox

SCHEME = Passports(layer="1")


@pytest.fixture(scope="module")
def mark():
    return key(SCHEME).mark()


@pytest.fixture(scope="module")
def marked(mark):
    return embedded(mark, net(), steps=60, rate=0.02)


def test_a_marked_layer_is_read_and_neither_another_nor_by_another_key(mark, marked):
    assert mark.evidence(WhiteBox(marked)).matches == 96
    assert float(mark.margins(marked).min()) >= 0.1
    for other in (mark.evidence(WhiteBox(net())), key(SCHEME, bytes(32)).mark().evidence(WhiteBox(marked))):
        assert other.matches < 70


def test_the_loss_is_the_hinge_of_the_paper(mark):
    model = net()
    hooks = mark.hooks(model)
    rows = torch.from_numpy(mark.key.carriers.matrix / 65536).float()
    factors = (model[1].weight * rows).sum(1)
    signs = 2 * torch.from_numpy(mark.message) - 1
    expected = 0.1 * torch.clamp(0.5 - signs * factors, min=0).sum()
    assert torch.allclose(hooks.loss(torch.zeros(()), model, None, None, None), expected, rtol=1e-5)


def test_forged_passports_fit_any_signature_and_no_message_that_is_drawn_after_them(mark):
    """The ambiguity attack: whoever has the weights makes passports for them. Committed, they get a message of their own."""
    weight, wanted = net()[1].weight.detach().double().numpy(), np.random.default_rng(0).integers(2, size=96)
    forged = Rows(np.rint(65536 * (2 * wanted - 1)[:, None] * weight).astype(np.int32), np.arange(96), "1")
    assert np.array_equal(forged.answers([weight]), wanted)
    drawn = [Draw(hashing.digest("forged", bytes([n]) + forged.leaves()[0])).message(2, 96) for n in range(50)]
    right = [(forged.answers([weight]) == message).sum() for message in drawn]
    assert abs(np.mean(right) - 48) < 4 * 0.5 * (96 / 50) ** 0.5


def test_filters_that_change_their_sign_turn_their_bits(mark, marked):
    other = net()
    other.load_state_dict(marked.state_dict())
    with torch.no_grad():
        other[1].weight.neg_()  # what a scale below zero after it takes back
    assert mark.evidence(WhiteBox(other)).matches == 0


def test_filters_that_were_cut_read_as_nothing(mark, marked):
    found = mark.key.carriers.answers([marked[1].weight.detach().numpy()[:90]])
    assert (found[90:] == -1).all()
    assert np.array_equal(found[:90], mark.message[:90])


def test_the_literal_message_is_a_text(mark):
    literal = key(dataclasses.replace(SCHEME, message="text", text="this is mine"))
    message = literal.mark().message
    assert np.packbits(message).tobytes().rstrip(b"\xff") == b"this is mine"
    assert "passports can be fitted to it" in literal.scheme.objection()


def test_one_filter_twice_or_no_line_is_refused(mark):
    statement, leaves = Statement.of(mark.key.statement), dict(enumerate(mark.key.carriers.leaves()))
    made = Rows.opened(statement, {3: leaves[3], 7: leaves[7]}, mark.key.private)
    assert (made.filters.tolist(), made.trials) == ([3, 7], (3, 7))
    for other in (leaves | {3: leaves[4]}, leaves | {3: leaves[3][1:]}, leaves | {3: leaves[3] + b"0"}):
        with pytest.raises(MalformedError, match="expected"):
            Rows.opened(statement, other, mark.key.private)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Passports(text="a"), ValueError),
        (lambda: Passports(message="text"), ValueError),
        (lambda: Passports(message="text", text="\u00e4"), ValueError),
        (lambda: Passports(message="text", text="abc", bits=23), ValueError),
        (lambda: keygen(Passports(layer="1", bits=97), net(), FEED), CapacityError),
        (lambda: keygen(Passports(message="text", text="x" * 13, layer="1"), net(), FEED), CapacityError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()
