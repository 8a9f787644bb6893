"""What ``uchida`` reads beside the committed host: folded, re-ordered, shifted and negated layers; and that no rule is free.

``old`` is the plain reading, which is all there was, of rows that do not add up to 0.
"""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch

import nets
from modelmark.carriers import levelling
from modelmark.carriers.base import rules_of, told
from modelmark.carriers.levelling import levelled, unit
from modelmark.carriers.rows import HOST_RULES, LEVELLED, TURNED, UNIT, Rows
from modelmark.carriers.spread import Runs
from modelmark.evidence import stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes import _projection
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.suspects.files import held
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.state import State

BITS, FILTERS, WIDTH = 256, 64, 576
SECRET, FACE = Secret(bytes(range(32))), PictureFeed((1, 8, 8), tuple("0123456789"))
THIN, STRONG = 0.3, 3.0


class Layer:
    """A suspect of which one layer matters."""

    queries = 0

    def __init__(self, filters):
        self.filters = filters

    def observe(self, probe):
        return [self.filters]


@pytest.fixture(scope="module")
def host():
    rng = np.random.default_rng(1)
    return rng.normal(0, 0.05, (FILTERS, WIDTH)) * rng.uniform(0.5, 2, (FILTERS, 1))


def rows(kind, host=None, width=WIDTH):
    made = Rows(getattr(_projection, kind)(SECRET, BITS, width), "conv.weight")
    return made if host is None else made.against(Layer(host))


def marked(carriers, host, margin, message):
    """The least change of the host's mean filter that gives every projection its sign by a margin."""
    projection, signs = carriers.matrix / UNIT, 2 * message - 1
    natural = projection @ host.mean(axis=0)
    wanted = np.maximum(natural * signs, margin * natural.std()) * signs
    return host + np.linalg.lstsq(projection, wanted - natural, rcond=None)[0]


def folded(filters, negative, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.2, 2, len(filters)) * np.where(rng.random(len(filters)) < negative, -1, 1)
    return factors[:, None] * filters


MESSAGE = np.random.default_rng(2).integers(0, 2, BITS)


def matches(carriers, filters):
    return [int((bits == MESSAGE).sum()) for bits in carriers.every([filters])]


@pytest.mark.parametrize("negative", [0, 0.1, 0.25])
@pytest.mark.parametrize("reordered", [False, True])
def test_a_thin_mark_under_folded_batch_norm_is_whole_again_beside_the_host(host, negative, reordered):
    carriers = rows("random", host)
    filters = folded(marked(carriers, host, THIN, MESSAGE), negative)
    if reordered:
        filters = np.random.default_rng(3).permutation(filters)
    old, level, *_ = matches(carriers, filters)
    assert old < 225 < 256 == level  # of 256, 232 are established with an offline draw
    assert matches(rows("random"), filters) == [old]  # without the host as ever


def test_filters_that_were_cut_or_are_dead_take_nothing_from_the_others(host):
    carriers = rows("random", host)
    filters = folded(marked(carriers, host, STRONG, MESSAGE), 0.25)
    filters[:4] = 0
    dead = matches(carriers, filters)
    cut = matches(carriers, filters[4:])
    assert dead == cut
    assert dead[1] > 250 > dead[0]


def test_a_wrong_zero_point_does_not_move_rows_that_add_up_to_0(host):
    shift = 0.05 * np.random.default_rng(4).normal(1, 0.1, (FILTERS, 1))  # each filter's own step, one too far
    plain, centred = rows("random"), rows("centred")
    (old,) = matches(plain, marked(plain, host, THIN, MESSAGE) + shift)
    (new,) = matches(centred, marked(centred, host, THIN, MESSAGE) + shift)
    assert old < 200 < 256 == new


@pytest.mark.parametrize("width", [3, 576, 577])
def test_rows_of_new_keys_add_up_to_exactly_0_and_are_spread_as_before(width):
    made = _projection.centred(SECRET, 40, width)
    assert made.dtype == np.int32
    assert (made.astype(np.int64).sum(axis=1) == 0).all()
    if width > 100:
        assert made.std() / UNIT == pytest.approx(1, abs=0.03)
    assert (made != _projection.random(SECRET, 40, width)).any()


def test_old_keys_keep_their_rows_and_new_ones_say_what_theirs_are():
    key = Key(Uchida(layer="conv4.weight", bits=8, width=WIDTH), SECRET, FACE)
    assert key.statement["parameters"]["projection"] == "centred"
    assert (key.carriers.matrix.sum(axis=1) == 0).all()
    before = Key(Uchida(layer="conv4.weight", bits=8, width=WIDTH, projection="random"), SECRET, FACE)
    assert (before.carriers.matrix == SECRET.normals("projection/random", 8 * WIDTH).reshape(8, WIDTH)).all()


def test_a_negated_task_vector_is_read_by_the_other_tail(host):
    carriers = rows("centred", host)
    old, _, turned, _ = matches(carriers, 2 * host - marked(carriers, host, STRONG, MESSAGE))
    assert old < 30
    assert turned == BITS - old > 225


def test_each_rule_is_a_reading_and_the_evidence_says_which_one_counts(digits):
    fresh = nets.cnn(digits)
    """One convolution of a network, marked by hand: four rules beside the host cost two bits, none without it."""
    model = copy.deepcopy(fresh)
    layer = model.conv4.weight.data.flatten(1).double().numpy()
    owner = {"host": weights.digest(fresh.state_dict()), "arch": "cnn"}
    key = Key(Uchida(layer="conv4.weight", bits=256, width=WIDTH), SECRET, FACE, **owner)
    mark = key.mark()
    made = marked(key.carriers, layer, THIN, mark.message)
    negated = 2 * layer - marked(key.carriers, layer, STRONG, mark.message)

    def read(filters, **beside):
        put(model, filters)
        return mark.weigh(mark.readings(WhiteBox(model), **beside))

    def charges(found):
        return {charge.reason: charge.bits for charge in found.charges}

    plain = read(made)
    assert (plain.matches, plain.note, charges(plain)) == (256, "", {"offline draw": 80.0})
    both = read(made, align_to=fresh)
    assert (both.matches, both.note, charges(both)["8 readings tried"]) == (256, "", 3.0)
    level = read(folded(made, 0.1), align_to=fresh)
    assert level.matches == 256
    assert level.note == f"read with {LEVELLED}"
    tail = read(negated, align_to=fresh)
    assert tail.established
    assert tail.note == f"read with {TURNED}"
    assert not read(negated).established
    put(model, negated)
    file = State(held({name: tensor.clone() for name, tensor in model.state_dict().items()}), "cnn")
    assert mark.weigh(mark.readings(file, align_to=fresh)).note == tail.note


def put(model, filters):
    model.conv4.weight.data = torch.from_numpy(filters).float().reshape(model.conv4.weight.shape)


def test_how_many_rules_a_kind_has():
    assert (rules_of(Rows, beside_host=False), rules_of(Rows, beside_host=True)) == (1, 4)
    assert (rules_of(Runs, beside_host=False), rules_of(Runs, beside_host=True)) == (2, 8)
    assert told(rows("centred")) == ("",)
    assert len(HOST_RULES) == 4


def test_norms_of_filters_that_leave_the_range_of_squares():
    wild = np.array([[1e300, -1e300], [1e-300, 0.0], [0.0, 0.0]])
    assert np.allclose(unit(wild), [[0.5**0.5, -(0.5**0.5)], [1, 0], [0, 0]])
    assert np.allclose(levelled(-wild, np.array([[1.0, -1], [2, 0]])), [[1, -1], [2, 0], [0, 0]])


def test_more_filters_than_can_be_compared_go_by_their_number(host, monkeypatch):
    whole = levelled(folded(host, 0.5), host)
    monkeypatch.setattr(levelling, "MOST_PRODUCTS", 0)
    assert np.allclose(levelled(folded(host, 0.5), host), whole)
    assert np.allclose(whole, host)


@pytest.mark.parametrize(
    "what",
    [
        "the host",
        pytest.param("the host, folded", marks=pytest.mark.slow),
        pytest.param("another layer", marks=pytest.mark.slow),
        "another layer, folded",
    ],
)
def test_drawn_messages_reach_bits_no_oftener_than_is_stated_by_any_rule_or_the_best(host, what):
    """200,000 drawn messages, seeded: each rule within four standard errors of the exact tail, the best below it once charged."""
    other = np.random.default_rng(9).normal(0.01, 0.05, (FILTERS, WIDTH))
    filters = other if what.startswith("another") else host
    tables = np.stack(rows("centred", host).every([folded(filters, 0.1) if "folded" in what else filters])).astype(
        np.uint8
    )
    draws, counts, best = 200_000, np.zeros((4, BITS + 1), int), np.zeros(BITS + 1, int)
    rng = np.random.default_rng(10)
    for _ in range(4):
        messages = rng.integers(0, 2, (draws // 4, BITS), np.uint8)
        agree = np.stack([(messages == table).sum(axis=1) for table in tables])
        counts += np.stack([np.bincount(each, minlength=BITS + 1) for each in agree])
        best += np.bincount(agree.max(axis=0), minlength=BITS + 1)
    gross = np.array([stats.tail_bits(n, BITS, Fraction(1, 2)) for n in range(BITS + 1)])
    for level in (1, 4, 8):
        chance = 2.0 ** -gross[gross >= level].min()
        error = (chance * (1 - chance) / draws) ** 0.5
        assert (abs(counts[:, gross >= level].sum(axis=1) / draws - chance) < 4 * error).all()
        assert best[gross >= level + 2].sum() / draws < 2.0**-level + 4 * error
        if level == 4:  # without the charge the best of them would be found too often
            assert best[gross >= level].sum() / draws > 1.5 * 2.0**-level
