"""Where ``uchida`` goes in a transformer: not where a thief removes it for nothing, and keygen says what it takes."""

import numpy as np
import pytest
import torch

import attending
from modelmark.attacks.symmetries.permute_heads import PermuteHeads
from modelmark.attacks.symmetries.permute_stream import PermuteStream
from modelmark.attacks.symmetries.permute_units import PermuteUnits
from modelmark.attacks.symmetries.raise_means import RaiseMeans
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.carriers.rows import UNIT
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida, _widest
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox

WIDTH = 192
FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
CHANCE = 40
"""Bits of 160 or more that a reading at chance is from half of them, at most: five deviations and more."""


class Put:
    """A mark put into a layer of a host at one stroke: its mean filter is moved until every bit is right."""

    def __init__(self, make, layer=""):
        self.host = make(width=WIDTH)
        committed = Provenance(host=weights.digest(self.host.state_dict()))
        self.key = keygen(Uchida(layer=layer), self.host, FEED, secret=Secret(bytes(range(32))), owner=committed)
        self.mark = self.key.mark()
        self.layer, self.model = self.key.scheme.layer, make(width=WIDTH)
        matrix, signs = self.key.carriers.matrix / UNIT, 2 * self.mark.message - 1
        weight = layers.weight(self.model, self.layer)
        mean = weight.detach().double().numpy().mean(axis=0)
        with torch.no_grad():
            weight += torch.from_numpy(np.linalg.pinv(matrix) @ (0.05 * signs - matrix @ mean))

    def plain(self, *attacks):
        return self.mark.evidence(WhiteBox(self.attacked(*attacks)))

    def aligned(self, *attacks):
        return self.mark.evidence(WhiteBox(self.attacked(*attacks)), align_to=self.host)

    def attacked(self, *attacks):
        model = self.model
        for attack in attacks:
            model = attack(model, None, seed=3)
        return model


@pytest.fixture(scope="module")
def before():
    """Where the rule was: the first of the widest layers."""
    return Put(attending.seeing, _widest(attending.seeing(width=WIDTH)).path)


@pytest.fixture(scope="module", params=[attending.seeing, attending.reading], ids=["LayerNorm", "RMSNorm"])
def now(request):
    return Put(request.param)


def is_chance(found):
    return abs(found.matches - found.trials / 2) < CHANCE


def test_the_widest_layer_of_a_transformer_lost_its_mark_to_a_free_order_of_units(before):
    assert before.layer == "blocks.0.linear2"
    assert before.plain().matches == before.plain().trials
    assert is_chance(before.plain(PermuteUnits()))


def test_the_mean_over_the_filters_of_what_writes_the_stream_is_what_layernorm_throws_away(before):
    """No alignment brings back what is not there: the mean filter is zero."""
    attacked = before.attacked(RaiseMeans())
    x = attending.inputs(before.model)
    with torch.no_grad():
        torch.testing.assert_close(attacked(x), before.model(x), rtol=1e-3, atol=1e-3)
    assert is_chance(before.plain(RaiseMeans()))
    assert is_chance(before.aligned(RaiseMeans()))


def test_alignment_keeps_the_mean_filter_where_a_mark_may_be(before):
    """What LayerNorm throws away was made the host's where it was out of proportion, as marks in a mean filter are."""
    found = before.aligned(PermuteUnits())
    assert found.matches == found.trials


def test_the_layer_chosen_now_keeps_its_mark_through_orders_of_units_and_heads(now):
    assert now.layer in ("blocks.0.linear1", "layers.0.mlp.gate_proj")
    for attacks in ((), (PermuteUnits(),), (PermuteHeads(),), (TurnHeads(),)):
        assert now.plain(*attacks).matches == now.plain().trials, attacks


def test_the_layer_chosen_now_is_read_aligned_where_the_stream_moves(now):
    raised = [(RaiseMeans(how="noise", size=3.0),)] if now.layer == "blocks.0.linear1" else []
    for attacks in ((RotateStream(), PermuteUnits()), *raised):
        found = now.aligned(*attacks)
        assert found.matches > 0.97 * found.trials, attacks
    assert is_chance(now.plain(PermuteStream()))


@pytest.mark.slow  # every day in another way, above, and each symmetry in test_reading_files.py
def test_the_layer_chosen_now_is_read_aligned_however_the_stream_moves(now):
    raised = [(RaiseMeans(),)] if now.layer == "blocks.0.linear1" else []
    for attacks in ((PermuteStream(),), *raised):
        found = now.aligned(*attacks)
        assert found.matches > 0.97 * found.trials, attacks


def test_a_narrow_network_with_rmsnorm_takes_what_reads_the_units():
    """Of 96 units; the stream has 48 numbers, too few for 64 bits."""
    scheme = Uchida(bits=90).for_model(attending.reading(), FEED, {})
    assert scheme.layer == "layers.0.mlp.down_proj"
    assert Uchida(bits=40).for_model(attending.reading(), FEED, {}).layer == "layers.0.mlp.gate_proj"


@pytest.mark.parametrize("scheme", [Uchida(), DeepSigns(), Spread()], ids=lambda scheme: scheme.name)
def test_keygen_says_that_a_transformers_mark_moves_for_nothing_without_a_host(scheme):
    model = attending.seeing(width=WIDTH)
    made = scheme.for_model(model, FEED, {})
    (line,) = made.cautions(model, FEED, host=False)
    assert line.endswith("with --host the key is read through that")
    assert made.cautions(model, FEED, host=True) == []
    other = build("cnn", (1, 8, 8), 10, seed=0)
    assert scheme.for_model(other, FEED, {}).cautions(other, FEED, host=False) == []


def test_keygen_says_so_where_a_mark_can_be_subtracted_for_nothing():
    model = attending.seeing(width=WIDTH)
    for layer in ("blocks.0.linear2", "blocks.1.self_attn.out_proj", "patch_embed"):
        made = Uchida(layer=layer, bits=16 if layer == "patch_embed" else None).for_model(model, FEED, {})
        (line,) = made.cautions(model, FEED, host=True)
        assert line.startswith(f"LayerNorm throws away the mean over the filters of {layer}")
        assert line.endswith("of the kind of blocks.0.linear1")
