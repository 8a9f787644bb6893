"""``spread``: who carries which bit, what is pushed and by how much, what is read, and against what."""

import copy
import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from modelmark import hashing
from modelmark.carriers.room import Room
from modelmark.carriers.spread import HOST_RULES, RULES, Run, Runs, stream
from modelmark.carriers.summing import factors
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError, SuspectError, UsageError
from modelmark.evidence import stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, Provenance, keygen
from modelmark.marks.reading import Unread, read
from modelmark.schemes import _pushing, spread
from modelmark.schemes.spread import Spread
from modelmark.suspects import files, weights
from modelmark.suspects.base import ReadEach
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.places import Place, in_order
from modelmark.suspects.state import State

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
SEED, HALF = bytes(range(32)), Fraction(1, 2)


class Net(nn.Module):
    """Layers of every layout, some 40,000 weights before the head."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, 16, 3, padding=1)
            self.turned = nn.ConvTranspose2d(16, 24, 3, padding=1)
            self.wide = nn.Linear(24 * 64, 24)
            self.last = nn.Linear(24, 24)
            self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.turned(self.conv(x).relu()).relu().flatten(1)
        return self.head(self.last(self.wide(x).relu()).relu())


@pytest.fixture
def net():
    return Net()


def made(net, secret=None, **settings):
    host = Provenance(host=weights.digest(net.state_dict()))
    return keygen(Spread(**settings), net, FEED, secret=secret or Secret(SEED), owner=host).mark()


def marked(net, mark):
    copied = copy.deepcopy(net)
    spread.imprint(copied, mark.key.carriers, mark.message, mark.key.scheme.strength)
    return copied


def expected(mark, layer):
    """Return how far the weights of a layer are pushed, in their deviations: r times the layer's share."""
    runs = mark.key.carriers.runs
    share = dict(zip([run.layer for run in runs], _pushing.shares(mark.key.carriers), strict=True))
    return mark.key.scheme.strength * share[next(name for name in share if name.partition("@")[0] == layer)]


def tables(readings):
    return [table for reading in readings for table in reading.scores]


def test_a_word_is_aes_in_counter_mode_wherever_one_begins_to_read():
    """The known answer is AES-256 over counter blocks of zero, one and so on, by FIPS 197 (checked with openssl)."""
    whole = stream(SEED, 0, 40)
    assert whole[:8].tobytes().hex() == "f29000b62a499fd0a9f39a6add2e7780"
    for start in (0, 1, 7, 8, 13):
        assert np.array_equal(stream(SEED, start, 20), whole[start : start + 20])
    assert not np.array_equal(stream(SEED, 0, 40, use=1), whole)


def test_every_weight_has_one_bit_and_a_fair_sign(net):
    run = Run("wide", 24, 1536, 0, 24, SEED)
    numbers, signs = zip(*(run.assigned(block, 300) for block in run.blocks()), strict=True)
    counts, signs = np.bincount(np.concatenate(numbers), minlength=300), np.concatenate(signs)
    assert counts.sum() == len(signs) == run.weights
    mean = run.weights / 300
    assert np.abs(counts - mean).max() < 6 * np.sqrt(mean)
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.sum()) < 4 * np.sqrt(run.weights)


def test_blocks_change_nothing(net, monkeypatch):
    mark = made(net)
    whole = read(mark.key.carriers, WhiteBox(net)).scores
    monkeypatch.setattr("modelmark.carriers.spread._BLOCK", 5000)
    assert all(
        np.array_equal(a.table, b.table)
        for a, b in zip(whole, read(mark.key.carriers, WhiteBox(net)).scores, strict=True)
    )


def test_a_mark_costs_a_small_push_and_reads_whole_blind_and_against_the_host(net):
    mark = made(net)
    assert (mark.key.scheme.strength, mark.key.scheme.bits) == (0.15, len(mark.message))
    with_mark = marked(net, mark)
    found = mark.evidence(WhiteBox(with_mark))
    assert (found.matches, found.trials) == (len(mark.message),) * 2
    assert [charge.reason for charge in found.charges] == ["offline draw", f"{len(RULES)} readings tried"]
    both = mark.evidence(WhiteBox(with_mark), align_to=net)
    assert both.matches == both.trials
    assert (
        both.charges[1].reason == f"{len(RULES + HOST_RULES) + 1} readings tried"
    )  # and aligned, which no such net can be
    for name in ("conv", "turned", "wide", "last"):
        before, after = net.get_parameter(f"{name}.weight"), with_mark.get_parameter(f"{name}.weight")
        pushed = ((after - before) / before.std(correction=0)).detach()
        assert 0.9 < float(pushed.square().mean().sqrt()) / expected(mark, name) < 1.3
    assert torch.equal(net.head.weight, with_mark.head.weight)
    assert all(
        torch.equal(net.get_parameter(f"{n}.bias"), with_mark.get_parameter(f"{n}.bias")) for n in ("conv", "wide")
    )


def test_the_least_push_is_in_every_weight_of_the_marked_layers(net):
    """Without the push beyond r for bits that chance has against them, every weight moves by r deviations."""
    mark, plain = made(net), copy.deepcopy(net)
    carriers = mark.key.carriers
    _pushing.push(carriers, mark.message, spread.sheets(plain, carriers), strength=0.1, target=-100)
    moved = (plain.wide.weight - net.wide.weight) / net.wide.weight.std(correction=0)
    share = expected(mark, "wide") / mark.key.scheme.strength
    assert torch.allclose(moved.abs(), torch.full_like(moved, 0.1 * share), rtol=0.1)


def test_larger_layers_are_pushed_further_as_the_root_of_their_size(net):
    mark = made(net)
    runs, shares = mark.key.carriers.runs, np.array(_pushing.shares(mark.key.carriers))
    sizes = np.array([run.filters * run.width for run in runs])
    assert np.allclose(shares / shares[0], np.sqrt(sizes / sizes[0]))
    assert np.isclose(shares @ [run.weights for run in runs], mark.key.carriers.weights)  # r is the mean over weights
    assert shares.max() > 3 * shares.min()


def test_what_neighbours_and_inputs_have_in_common_comes_through_as_before(net):
    """Pushes sum to zero over each kernel, and over each filter of a linear layer, whose inputs are all above zero."""
    with_mark = marked(net, made(net))
    for name, axes in (("conv", (2, 3)), ("wide", (1,))):
        before, after = (model.get_parameter(f"{name}.weight").detach().double() for model in (net, with_mark))
        moved = after - before
        assert float(moved.abs().min()) > 0
        assert float(moved.sum(dim=axes).abs().max()) < 1e-4 * float(moved.abs().sum(dim=axes).max())


def test_the_same_mark_again_adds_next_to_nothing(net):
    mark = made(net)
    once = marked(net, mark)
    twice = marked(once, mark)
    moved = float(((twice.wide.weight - once.wide.weight).std() / net.wide.weight.std()).detach())
    assert moved < 0.02


def test_an_unmarked_model_and_a_wrong_key_read_chance(net):
    mark = made(net)
    other = made(net, Secret(bytes(32)))
    for suspect in (net, Net(seed=1), marked(net, other)):
        assert mark.evidence(WhiteBox(suspect), align_to=net).gross_bits < 20


@pytest.mark.parametrize("way", range(len(RULES + HOST_RULES)))
def test_against_many_draws_an_unmarked_model_matches_like_coins(way, net):
    """Plain, masked, scaled, against the host: four thousand draws within four standard errors of the exact tail."""
    suspect = copy.deepcopy(net)
    with torch.no_grad():  # as fine-tuning and pruning leave it
        for parameter in suspect.parameters():
            parameter += (
                0.1 * parameter.std() * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )
            parameter[parameter.abs() < 0.3 * parameter.std()] = 0
    mark = made(net)
    symbols = mark.readings(WhiteBox(suspect), align_to=net)[0].scores[way].symbols
    trials, draws = len(symbols), 4000
    words = np.frombuffer(hashing.expand(draws * ((trials + 7) // 8), "study", bytes([way])), np.uint8)
    drawn = np.unpackbits(words.reshape(draws, -1), axis=1)[:, :trials]
    matches = (drawn == symbols).sum(axis=1)
    for level in (0.5, 0.1, 0.01):
        fewest = stats.minimum_matches(-np.log2(level), trials, HALF)
        exact = 2.0 ** -stats.tail_bits(fewest, trials, HALF)
        assert abs((matches >= fewest).mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)
    drawn = [Draw(hashing.digest("study", bytes([way, number]))).message(2, trials) for number in range(200)]
    total = sum(int((message == symbols).sum()) for message in drawn)
    assert abs(total - 100 * trials) < 4 * np.sqrt(50 * trials)


def test_at_birth_only_signs_change(net):
    import modelmark

    mark = made(net)
    born = copy.deepcopy(net)
    modelmark.initialise(born, mark)
    for before, after in zip(net.parameters(), born.parameters(), strict=True):
        assert torch.equal(before.abs(), after.abs())
    turned = (born.wide.weight != net.wide.weight).float().mean()
    assert 0.45 < float(turned) < 0.55
    assert (
        abs(float(born.wide.weight.detach().mean()))
        < 4 * float(net.wide.weight.detach().std()) / net.wide.weight.numel() ** 0.5
    )
    assert torch.equal(net.head.weight, born.head.weight)
    assert mark.evidence(WhiteBox(born)).matches == len(mark.message)
    assert float(mark.margins(born).min()) > 4


def test_a_marked_copy_leaves_the_model_as_it_was(net):
    import modelmark

    mark, before = made(net), copy.deepcopy(net.state_dict())
    copied = modelmark.imprint(net, mark)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    assert mark.evidence(WhiteBox(copied)).established
    uchida = keygen(modelmark.Uchida(), net, FEED, secret=Secret(SEED)).mark()
    for verb, which in ((modelmark.imprint, "mark of spread or field"), (modelmark.initialise, "spread mark")):
        with pytest.raises(UsageError, match=f"expected a {which}, got uchida"):
            verb(net, uchida)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_type_of_weights_carries_the_mark(kind, net):
    """On coarse types a push is smaller than a step; whole steps at random have the right expectation."""
    mark = made(net)
    typed = copy.deepcopy(net).to(kind)
    with_mark = marked(typed, mark)
    assert with_mark.wide.weight.dtype == kind
    moved = (
        with_mark.wide.weight.detach().double() - typed.wide.weight.detach().double()
    ) / typed.wide.weight.detach().double().std()
    run = next(run for run in mark.key.carriers.runs if run.layer == "wide")
    where, sign = run.assigned(slice(0, 24), mark.key.scheme.bits)
    along = moved.flatten().numpy() * sign * (2 * mark.message - 1)[where]
    assert 0.95 < along.mean() / expected(mark, "wide") < 1.15
    assert float(mark.margins(with_mark).min()) > 0.1
    assert mark.evidence(WhiteBox(with_mark), align_to=None).matches == len(mark.message)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_rounding_has_the_right_expectation(kind, rng):
    values = np.concatenate([rng.normal(size=50) * 10.0 ** rng.integers(-4, 3, 50), [0.0, 1e-6, -1e-6]])
    words = np.arange(65536, dtype=np.uint16)[:, None].repeat(len(values), axis=1)
    bits = _pushing.rounded(np.broadcast_to(values, words.shape), words, kind)
    real = torch.from_numpy(bits.copy()).view(torch.bfloat16).double().numpy() if kind == "bf16" else bits.astype(float)
    step = real.max(axis=0) - real.min(axis=0)
    assert (np.abs(real.mean(axis=0) - values) <= np.maximum(step, 1e-9) / 1000).all()
    assert max(len(np.unique(column)) for column in real.T) == 2


def test_a_push_far_below_a_step_is_still_read_on_a_coarse_type(net):
    """r = 0.002 deviations, a step of bfloat16 being up to 1/128 of a weight: rounded to the nearest, nothing would be left."""
    typed = copy.deepcopy(net).bfloat16()
    mark = made(net, strength=0.002)
    carriers = mark.key.carriers
    _pushing.push(carriers, mark.message, spread.sheets(typed, carriers), strength=0.002, target=-100)
    before = copy.deepcopy(net).bfloat16()
    run = next(run for run in carriers.runs if run.layer == "wide")
    where, sign = run.assigned(slice(0, 24), mark.key.scheme.bits)
    moved = (typed.wide.weight.double() - before.wide.weight.double()) / before.wide.weight.double().std()
    along = moved.flatten().detach().numpy() * sign * (2 * mark.message - 1)[where]
    assert abs(along.mean() - expected(mark, "wide")) < 4 * along.std() / np.sqrt(len(along))
    nearest = (before.wide.weight.float() + 0.002 * before.wide.weight.float().std()).bfloat16()
    assert float((nearest == before.wide.weight).float().mean()) > 0.3


def test_a_large_network_is_marked_in_a_run_of_filters_of_each_layer(net):
    mark = made(net, weights=20000, bits=256)
    carriers = mark.key.carriers
    assert 18000 < carriers.weights <= 20000
    assert all(run.count < run.filters for run in carriers.runs)
    with_mark = marked(net, mark)
    rows = (with_mark.wide.weight != net.wide.weight).any(dim=1).nonzero().flatten().tolist()
    run = next(run for run in carriers.runs if run.layer == "wide")
    assert rows == list(range(run.first, run.first + run.count))
    assert mark.evidence(WhiteBox(with_mark), align_to=net).matches == 256


def test_carriers_are_never_as_many_as_trials(net):
    """Else an opening would take each leaf for a trial's own."""
    layers = spread.sizes(net)
    laid = json.loads(Spread(bits=len(layers)).laid(Secret(SEED), layers)["layers"].tobytes())
    assert len(laid) == len(layers) + 1
    assert [run[0] for run in laid[-2:]] == ["last", "last"]


def test_a_file_reads_as_its_network_does(net, tmp_path):
    mark = made(net)
    with_mark = marked(net, mark)
    weights.save(with_mark, tmp_path / "a.safetensors")
    weights.save(net, tmp_path / "host.safetensors")
    suspect, host = (State(files.open_weights(tmp_path / f"{name}.safetensors")) for name in ("a", "host"))
    for ours, theirs in zip(tables(mark.readings(suspect)), tables(mark.readings(WhiteBox(with_mark))), strict=True):
        assert np.array_equal(ours.table, theirs.table)
    beside, placed = mark.readings(suspect, align_to=host)
    assert len(beside.scores) == len(RULES + HOST_RULES)
    assert placed == Unread("every filter is where its name says, in the host's order")
    with pytest.raises(MismatchError, match="unmarked host that the key committed to"):
        mark.readings(suspect, align_to=suspect)


def test_layers_under_other_names_are_found_by_size_and_order(net):
    mark = made(net)
    other = nn.Sequential(*marked(net, mark).children())
    found = mark.evidence(WhiteBox(other))
    assert found.matches == found.trials
    state = {f"block.{10 * (index + 1)}.weight": child.weight.detach() for index, child in enumerate(other)}
    assert mark.evidence(State(files.held(state))).matches == found.trials
    assert in_order({"a": (2, 3), "b": (4, 5), "c": (2, 3)}, [(2, 3), (4, 5), (2, 3)]) == ["a", "b", "c"]
    assert in_order({"a": (2, 3), "b": (2, 3)}, [(2, 3), (4, 5)]) == [None, None]


def test_layers_that_are_gone_or_no_numbers_are_left_out(net):
    mark = made(net)
    with_mark = marked(net, mark)
    with_mark.last = nn.Linear(24, 12)
    with torch.no_grad():
        with_mark.conv.weight.fill_(float("nan"))
        with_mark.wide.weight[0] = 1e30  # a dead filter
    found = mark.evidence(WhiteBox(with_mark))
    assert found.matches > 0.95 * found.trials
    with torch.no_grad():
        for parameter in with_mark.parameters():
            parameter.zero_()
    with pytest.raises(SuspectError, match="none but zeros"):
        mark.read(WhiteBox(with_mark))
    with pytest.raises(MismatchError, match="none of them"):
        mark.read(WhiteBox(nn.Linear(3, 4)))


def test_a_probe_reads_nothing_before_it_is_looked_at(net):
    file = files.held(net.state_dict())
    (answer,) = State(file).observe(ReadEach((Place("wide", 1536), Place("last", 25)), (24, 24)))
    assert answer[1] is None
    assert answer[0][2:5].shape == (3, 1536)
    assert len(answer[0]) == 24


def test_small_networks_carry_fewer_bits_and_too_small_ones_none(net):
    assert made(net).key.scheme.bits == int(1024 * 0.01 * sum(f * w for _, f, w in spread.sizes(net)) / 1500)
    with pytest.raises(CapacityError, match="symbols of alphabet 2"):
        keygen(Spread(), nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Linear(16, 10)), FEED)
    with pytest.raises(CapacityError, match="a weight or more for each of 2000 bits"):
        keygen(Spread(bits=2000), nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Linear(16, 10)), FEED)
    with pytest.raises(UsageError, match="before the head, found none"):
        keygen(Spread(), nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), FEED)


def test_shared_weights_are_pushed_once():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10))
    net[2].weight = net[1].weight
    assert [layer for layer, _, _ in spread.sizes(net)] == ["1"]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_not_marked(broken, net):
    mark = made(net)
    with torch.no_grad():
        net.wide.weight[3, 4] = broken
    with pytest.raises(SuspectError, match="NaN or infinity"):
        marked(net, mark)


def test_computed_weights_are_not_marked(net):
    nn.utils.parametrizations.weight_norm(net.wide)
    with pytest.raises(UsageError, match="those of wide are computed"):
        made(net)


HOSTILE = [
    b"", b"{}", b"[]", b"null", b"\xff", b"[[]]", b'[["wide",24,1536,0,0]]', b'[["wide",24,1536,20,5]]',
    b'[["wide",24,1536,0,true]]',
    b'[["wide",1099511627776,1099511627776,0,1099511627776]]', b'[["wide",24,-1,0,1]]', b"[" * 10000,
]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE)
def test_attached_layers_that_are_none_are_refused(content):
    key = Key(Spread(bits=200, strength=0.1), Secret(SEED), FEED, {"layers": np.frombuffer(content, np.uint8)})
    with pytest.raises(MismatchError):
        _ = key.carriers


@pytest.mark.parametrize(
    "change", [{"count": 0}, {"first": 24}, {"width": 0}, {"seed": "00"}, {"seed": "AB" * 32}, {"layer": 3}, {"more": 1},
               {"filters": True}]
)  # fmt: skip
def test_leaves_that_are_no_runs_are_refused(change):
    from modelmark import canonical

    leaf = canonical.decode(Run("wide", 24, 1536, 0, 24, SEED).encode(), what="a run")
    with pytest.raises(MalformedError):
        Run.parse(canonical.encode(leaf | change))


def test_an_opening_shows_all_runs_and_no_more_work_than_is_allowed(net):
    key = made(net).key
    leaves, statement = dict(enumerate(key.carriers.leaves())), Statement.of(key.statement)
    assert Runs.opened(statement, leaves, {}).runs == key.carriers.runs
    with pytest.raises(MismatchError, match="all 4 carriers"):
        Runs.opened(statement, {0: leaves[0]}, {})
    huge = Run("wide", 2**20, 2**20, 0, 2**20, SEED).encode()
    with pytest.raises(MismatchError, match="weights in all carriers"):
        Runs.opened(statement, leaves | {0: huge}, {})
    with pytest.raises(MismatchError, match="trials by the bits"):
        Runs.check(dataclasses.replace(statement, trials=statement.trials - 1))


def test_weights_stored_as_factors_are_read_as_their_product(net):
    mark = made(net)
    with_mark = marked(net, mark)
    nn.utils.parametrizations.weight_norm(with_mark.wide)
    found = mark.evidence(State(files.held({name: tensor.detach() for name, tensor in with_mark.state_dict().items()})))
    assert found.matches == found.trials
    assert mark.evidence(WhiteBox(with_mark)).matches == found.trials


def test_the_factor_of_a_filter_is_the_median_of_the_ratios_that_there_are(rng):
    weights, host = rng.normal(size=(4, 30)), rng.normal(size=(4, 30))
    there = np.ones((4, 30), bool)
    host[1, :7], there[2, 3:9], there[3] = 0, False, False
    ratios = weights / np.where(host, host, 1)
    expected = [np.median(ratios[0]), np.median(ratios[1, 7:]), np.median(ratios[2][there[2]]), 1]
    assert factors(weights, host, there, Room()).ravel().tolist() == expected
