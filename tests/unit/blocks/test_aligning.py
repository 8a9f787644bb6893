"""A transformer in its host's coordinates: exact where the function is the host's, blind to the message where it is not."""

import contextlib
import copy

import numpy as np
import pytest
import torch

import attending
from modelmark.align.transformers.networks import align
from modelmark.align.transformers.whole import Aligned, of_states
from modelmark.attacks.symmetries.flip import Flip
from modelmark.attacks.symmetries.permute import Permute
from modelmark.attacks.symmetries.permute_heads import PermuteHeads
from modelmark.attacks.symmetries.permute_stream import PermuteStream
from modelmark.attacks.symmetries.permute_units import PermuteUnits
from modelmark.attacks.symmetries.raise_means import RaiseMeans
from modelmark.attacks.symmetries.rescale import Rescale
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.scale_stream import ScaleStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.blocks import networks, stream, units
from modelmark.blocks.finding import described as by_names
from modelmark.errors import MismatchError, SuspectError, UsageError

ATTACKS = (
    (PermuteHeads(),),
    (PermuteUnits(),),
    (PermuteStream(),),
    (TurnHeads(),),
    (ScaleStream(),),
    (RotateStream(),),
    (RaiseMeans(how="noise"),),
    (RaiseMeans(how="noise", size=30.0),),
    (Permute(),),
    (Rescale(),),
    (Flip(),),
    (PermuteHeads(), PermuteUnits(), TurnHeads(), PermuteStream(), ScaleStream(), RaiseMeans(how="noise")),
    (RaiseMeans(how="noise"), PermuteUnits(), TurnHeads(), RotateStream(), ScaleStream(), PermuteHeads()),
)
MAKERS = (attending.seeing, attending.reading, attending.after)
EXACT = 1e-3
FITTED = 0.05
"""Of a copy whose weights training moved by a twentieth: what is fitted, such as a basis, errs by as much."""


def trained_on(host, share=0.05):
    """Return a copy whose weights are moved by a share of their deviation."""
    tuned, generator = copy.deepcopy(host), torch.Generator().manual_seed(3)
    for parameter in tuned.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data += share * (parameter.data.std() if parameter.dim() > 1 else 0.1) * noise
    return tuned


def disguised(model, attacks, seed=3):
    """Apply one attack after the other, leaving out those for which the model has no place."""
    for attack in attacks:
        with contextlib.suppress(UsageError):
            model = attack(model, None, seed=seed)
    return model


def farthest(model, other):
    """Return how far a matrix of one is from the other's, at most, in lengths of itself."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return max(float((a - b).norm() / a.norm()) for a, b in pairs if a.dim() > 1)


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("attacks", ATTACKS, ids=lambda attacks: "-".join(attack.name for attack in attacks))
def test_the_host_in_any_disguise_becomes_the_host(attacks, make):
    host = make()
    other = disguised(host, attacks)
    aligned = align(other, host, networks.of_network(host))
    assert farthest(host, aligned) < EXACT
    torch.testing.assert_close(aligned(attending.inputs(host)), host(attending.inputs(host)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "attacks",
    [attacks if len(attacks) > 1 else pytest.param(attacks, marks=pytest.mark.slow) for attacks in ATTACKS],
    ids=lambda attacks: "-".join(attack.name for attack in attacks),
)
def test_a_copy_that_trained_on_is_where_it_was_and_keeps_its_function(attacks, make):
    host = make()
    tuned = trained_on(host)
    aligned = align(disguised(tuned, attacks), host, networks.of_network(host))
    assert farthest(tuned, aligned) < FITTED
    torch.testing.assert_close(aligned(attending.inputs(host)), tuned(attending.inputs(host)), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_without_alignment_a_symmetry_moves_every_block(make):
    host = make()
    assert farthest(host, disguised(host, (PermuteStream(),))) > 1


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_how_many_heads_there_are_is_found_from_weights_alone(make):
    host = make()
    described = networks.of_network(host)
    state, other = networks.arrays(host), networks.arrays(disguised(host, (PermuteHeads(), TurnHeads())))
    unknown = by_names({name: array.shape for name, array in state.items()})
    assert {block.attention.heads for block in unknown.blocks} == {0}
    found = Aligned(state, other, unknown).described
    assert {block.attention.heads for block in found.blocks} == {block.attention.heads for block in described.blocks}


def test_gains_and_signs_that_norms_and_readers_share_are_the_hosts_again():
    host = attending.reading()
    described, state = networks.of_network(host), networks.arrays(host)
    generator = np.random.default_rng(0)
    for part in described.parts:
        for norm in part.norms:
            factors = np.exp(generator.normal(size=described.width)) * generator.choice([-1.0, 1.0], described.width)
            stream.weigh(state, norm, factors)
    other = networks.loaded(host, state)
    assert farthest(host, other) > 1
    assert farthest(host, align(other, host, described)) < EXACT


def test_units_more_or_fewer_are_taken_out_and_filled_up():
    host = attending.reading()
    described, state = networks.of_network(host), networks.arrays(host)
    for block in described.blocks:
        units.permute(state, block.units[0], np.random.default_rng(1).permutation(96)[:80])
    found = of_states(networks.arrays(host), state, described)
    up = host.layers[0].mlp.up_proj.weight.double().numpy()
    rows = found["layers.0.mlp.up_proj.weight"]
    silent = ~rows.any(axis=1)
    assert silent.sum() == 16
    np.testing.assert_allclose(rows[~silent], up[~silent])
    grown = of_states(state, networks.arrays(host), described)
    np.testing.assert_allclose(grown["layers.0.mlp.up_proj.weight"], state["layers.0.mlp.up_proj.weight"])


def test_what_is_no_number_and_another_architecture_are_refused():
    host = attending.reading()
    described = networks.of_network(host)
    broken = copy.deepcopy(host)
    broken.layers[0].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(SuspectError, match="expected finite weights"):
        align(broken, host, described)
    for other in (attending.reading(width=32), attending.reading(depth=1), attending.seeing()):
        with pytest.raises(MismatchError, match="expected"):
            align(other, host, described)
