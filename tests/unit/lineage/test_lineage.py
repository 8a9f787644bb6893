"""Whether two networks have one origin: an exact test by the order of their hidden units."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import attending
from modelmark.attacks import attack_class
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence.places import place_bits
from modelmark.lineage import units
from modelmark.lineage.order import lineage
from modelmark.lineage.units import Units
from modelmark.models import build
from modelmark.suspects.files.base import held

SHAPE, CLASSES = (1, 8, 8), 3


def fresh(arch, seed):
    return build(arch, SHAPE, CLASSES, seed=seed)


def opened(model):
    return held({name: tensor.detach() for name, tensor in model.state_dict().items()})


def read(mine, suspect, orders=None):
    return lineage(opened(mine), opened(suspect), orders or units.of_network(mine))


def test_the_tail_holds_for_orders_drawn_at_random(rng):
    """Counted over 20,000 draws: the best row is as good no more often than stated; equal units claim one place twice."""
    wanted = [np.arange(12), np.array([0, 0, 0, 3, 4, 5]), np.arange(40)]
    draws = [
        max(int((rng.permutation(len(want))[want] == np.arange(len(want))).sum()) for want in wanted)
        for _ in range(20_000)
    ]
    counts = np.bincount(draws, minlength=20)
    for matches in range(3, 12):
        stated = 2 ** -place_bits([matches, 0, 0])
        assert counts[matches:].sum() / len(draws) <= stated + 3 * math.sqrt(stated / len(draws))
    assert place_bits([1, 0]) == 0
    assert place_bits([64]) == pytest.approx((64 * math.log(64) - 63) / math.log(2))
    assert place_bits([64, 3, 0, 64]) == pytest.approx(place_bits([64]) - 2)
    with pytest.raises(ValueError, match="of a row or more"):
        place_bits([])


def test_layers_that_were_copied_from_one_count_once(rng):
    """Experts that began as one perceptron have one order: by sums over layers two such networks looked related."""
    shape, experts, pairs = (24, 48), 12, 60

    def upcycled(seed):
        base = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return held({f"experts.{number}.w1.weight": base.clone() for number in range(experts)})

    files = [upcycled(seed) for seed in range(pairs)]
    orders = units.of_file(files[0])
    assert len(orders) == experts
    found = [lineage(files[0], other, orders) for other in files[1:]]
    together = [each.matches for each in found]
    assert max(together) >= 2 * experts  # what a sum of independent orders reaches once in 10^3: here one in some
    assert sum(total >= 2 * experts for total in together) > 3
    assert max(each.bits for each in found) < 8
    assert lineage(files[0], files[0], orders).related


@pytest.mark.parametrize("arch", ["cnn", "resnet8"])
def test_a_changed_copy_is_of_one_origin_and_a_network_of_its_own_is_not(arch):
    mine = fresh(arch, 0)
    orders = units.of_network(mine)
    noisy = attack_class("noise")(share=0.4)(copy.deepcopy(mine), None, seed=0)
    assert read(mine, noisy).matches > 0.9 * read(mine, noisy).units
    assert read(mine, noisy).related
    strangers = [fresh(arch, seed) for seed in range(1, 9)]
    found = [read(a, b, orders) for a, b in itertools.permutations([mine, *strangers], 2)]
    assert not any(each.related for each in found)
    mean = np.mean([each.matches for each in found])
    assert abs(mean - len(orders)) < 4 * math.sqrt(len(orders) / len(found))  # one an order, by chance


def test_a_transformer_whose_code_cannot_be_traced_has_its_perceptrons_units():
    """torch.fx refuses it; the parts of its blocks are known by their names."""
    mine = attending.reading()
    assert [each.layer for each in units.of_network(mine)] == ["layers.0.mlp.up_proj", "layers.1.mlp.up_proj"]
    noisy = attack_class("noise")(share=0.4)(copy.deepcopy(mine), None, seed=0)
    assert read(mine, noisy).matches > 0.9 * read(mine, noisy).units
    assert not read(mine, attending.reading(seed=1)).related


def test_units_in_another_order_and_heads_say_nothing():
    mine = fresh("cnn", 0)
    moved = attack_class("permute")()(copy.deepcopy(mine), None, seed=1)
    assert not read(mine, moved).related
    assert "fc2" not in [
        each.layer for each in units.of_network(mine)
    ]  # the order of its outputs is that of the classes


def test_each_order_is_looked_at_once_where_it_begins():
    """A second layer that adds to the same units would count the same order twice."""
    network = fresh("resnet8", 0)
    layers = [each.layer for each in units.of_network(network)]
    assert len(layers) == len(set(layers))
    assert len(layers) < len([m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))])


def test_units_that_are_equal_do_not_count():
    """Of a hundred dead units none is more alike than the others, whichever comes first."""
    ours = torch.randn(100, 30, generator=torch.Generator().manual_seed(0))
    for theirs in (torch.zeros(100, 30), ours[:1].repeat(100, 1)):
        found = lineage(held({"a.weight": ours}), held({"a.weight": theirs}), [Units("a")])
        assert found.matches == 0


@pytest.mark.parametrize(
    "name",
    [
        "bert.encoder.layer.0.intermediate.dense.weight", "transformer.h.3.mlp.c_fc.weight", "model.layers.1.mlp.up_proj.weight",
        "encoder.block.0.layer.1.DenseReluDense.wi.weight", "gpt_neox.layers.0.mlp.dense_h_to_4h.weight",
        "distilbert.transformer.layer.2.ffn.lin1.weight", "layers.0.linear1.weight", "blocks.4.mlp.fc1.weight",
        "model.layers.0.block_sparse_moe.experts.3.w1.weight",
    ],
)  # fmt: skip
def test_perceptrons_of_transformers_are_known_by_name_however_they_lie(name):
    ours = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    others = {"lm_head.weight": torch.randn(100, 16), "fc1.weight": torch.randn(8, 8), "0.attn.q_proj.weight": ours}
    mine = held({name: ours, **others})
    orders = units.of_file(mine)
    assert [each.layer for each in orders] == [name.removesuffix(".weight")]
    near = ours + 0.3 * torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    for theirs in (near, near.T.contiguous(), near.bfloat16()):
        assert lineage(mine, held({name: theirs}), orders).related
    assert not lineage(mine, held({name: torch.randn(64, 16)}), orders).related


def test_gates_share_the_order_of_what_they_gate_and_do_not_count_again():
    names = ["layers.0.mlp.up_proj.weight", "layers.0.mlp.gate_proj.weight", "layers.0.mlp.down_proj.weight"]
    assert len(units.of_file(held({name: torch.zeros(4, 4) for name in names}))) == 1


def test_suspects_that_do_not_fit_are_named():
    mine = held({"a.weight": torch.randn(8, 4), "b.weight": torch.randn(8, 8)})
    half = lineage(mine, held({"a.weight": torch.randn(8, 4), "b.weight": torch.randn(8, 9)}), [Units("a"), Units("b")])
    assert half.unread == ("b",)
    with pytest.raises(MismatchError, match="no layer like a or any other of 2"):
        lineage(mine, held({"c.weight": torch.randn(8, 4)}), [Units("a"), Units("b")])
    with pytest.raises(MismatchError, match="expected layers of hidden units by name"):
        units.of_file(mine)
    with pytest.raises(MismatchError, match="expected a layer c"):
        units.of_file(mine, ["c"])
    with pytest.raises(UsageError, match="got one twice"):
        units.of_file(mine, ["a", "a.weight"])
    with pytest.raises(UsageError, match="got an empty one"):
        units.of_file(mine, [""])
    with pytest.raises(MismatchError, match="matrices or kernels, norm is none"):
        units.of_file(held({"norm.weight": torch.ones(8)}), ["norm"])


def test_weights_that_are_no_numbers_count_as_no_match():
    ours = torch.randn(64, 16)
    theirs = ours.clone()
    theirs[:32] = math.nan
    theirs[32] = math.inf
    assert lineage(held({"a.weight": ours}), held({"a.weight": theirs}), [Units("a")]).matches == 31


def test_tried_models_are_charged():
    ours = torch.randn(64, 16)
    file = held({"a.weight": ours})
    one, many = (lineage(file, file, [Units("a")], suspects=tried) for tried in (1, 1024))
    assert one.bits - many.bits == pytest.approx(10)
