"""A mark in a transformer's weight file is read against the host's file through every symmetry; no network is built."""

from fractions import Fraction

import numpy as np
import pytest

import attending
from modelmark.attacks.symmetries.permute_heads import PermuteHeads
from modelmark.attacks.symmetries.permute_stream import PermuteStream
from modelmark.attacks.symmetries.permute_units import PermuteUnits
from modelmark.attacks.symmetries.raise_means import RaiseMeans
from modelmark.attacks.symmetries.rotate_stream import RotateStream
from modelmark.attacks.symmetries.scale_stream import ScaleStream
from modelmark.attacks.symmetries.turn_heads import TurnHeads
from modelmark.evidence import stats
from modelmark.evidence.evidence import Evidence
from modelmark.key.secret import Secret
from modelmark.marks.onfiles import imprint_file, keygen_for_file
from modelmark.marks.reading import Reading
from modelmark.schemes.spread import Spread
from modelmark.suspects.files import open_weights
from modelmark.suspects.files.base import held
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.state import State

BITS = 256
CHAINS = (
    (PermuteHeads(),),
    (PermuteUnits(),),
    (PermuteStream(),),
    (TurnHeads(),),
    (ScaleStream(),),
    (RotateStream(),),
    (RaiseMeans(how="noise", size=30.0),),
    (PermuteHeads(), PermuteUnits(), TurnHeads(), PermuteStream(), ScaleStream()),
)


class Marked:
    """A host's file and a marked copy of it, as networks and as states."""

    def __init__(self, make, folder):
        from safetensors.torch import load_file, save_file

        self.network = make()
        save_file(self.network.state_dict(), folder / "host.safetensors")
        self.host = State(open_weights(folder / "host.safetensors"))
        key = keygen_for_file(Spread(bits=BITS), self.host.file, secret=Secret(bytes(range(32))))
        self.mark = key.mark()
        imprint_file(folder / "host.safetensors", folder / "marked.safetensors", [self.mark])
        self.network.load_state_dict(load_file(folder / "marked.safetensors"))

    def read(self, model, names=lambda name: name):
        state = {names(name): tensor.detach() for name, tensor in model.state_dict().items()}
        found = self.mark.evidence(State(held(state)), align_to=self.host)
        assert isinstance(found, Evidence)
        return found


@pytest.fixture(scope="module", params=[attending.seeing, attending.reading], ids=["LayerNorm", "RMSNorm"])
def marked(request, tmp_path_factory):
    return Marked(request.param, tmp_path_factory.mktemp("transformers"))


DAILY = (RotateStream(),), (RaiseMeans(how="noise", size=30.0),), CHAINS[-1]
"""The last has every other one in it."""


@pytest.mark.parametrize(
    "chain",
    [chain if chain in DAILY else pytest.param(chain, marks=pytest.mark.slow) for chain in CHAINS],
    ids=lambda chain: "-".join(attack.name for attack in chain),
)
def test_the_mark_is_read_after_every_symmetry(chain, marked):
    if any(isinstance(attack, RaiseMeans) for attack in chain) and isinstance(marked.network, attending.Reading):
        pytest.skip("RMSNorm throws no mean away")
    model = marked.network
    for attack in chain:
        model = attack(model, None, seed=3)
    found = marked.read(model)
    assert found.matches >= 250
    assert [charge.reason for charge in found.charges] == ["offline draw", "16 readings tried"]


def test_a_beginning_of_names_more_or_less_makes_no_difference(marked):
    moved = PermuteStream()(marked.network, None, seed=3)
    assert marked.read(moved, lambda name: f"model.{name}").matches >= 250


def test_what_stands_where_its_name_says_is_read_once(marked):
    found = marked.read(marked.network)
    assert found.matches == BITS
    assert [charge.reason for charge in found.charges] == ["offline draw", "9 readings tried"]


@pytest.mark.parametrize(
    "marked",
    [attending.seeing, pytest.param(attending.reading, marks=pytest.mark.slow)],
    indirect=True,
    ids=["LayerNorm", "RMSNorm"],
)
def test_a_stranger_in_the_hosts_coordinates_keeps_to_chance_over_many_draws(marked):
    """What is found depends on host and suspect alone, so 25,000 messages are drawn against one alignment."""
    make = attending.seeing if isinstance(marked.network, attending.Seeing) else attending.reading
    moved = PermuteStream()(make(11), None, seed=11)
    readings = marked.mark.readings(
        WhiteBox(moved), align_to=make()
    )  # a file of this one may have no filter like the host's
    read = [table.symbols for each in readings if isinstance(each, Reading) for table in each.scores]
    assert len(read) == 16
    drawn = np.random.default_rng(0).integers(0, 2, (25_000, BITS), dtype=np.int8)
    best = np.zeros(len(drawn), np.int64)
    for symbols in read:
        matches = (drawn == symbols.astype(np.int8)).sum(axis=1)
        assert abs(matches.mean() - BITS / 2) < 0.2  # four standard errors are 0.2
        best = np.maximum(best, matches)
    for bits in (1, 4, 8):
        fewest = stats.minimum_matches(bits + np.log2(len(read)), BITS, Fraction(1, 2))
        assert (best >= fewest).mean() <= 2.0**-bits
    assert not marked.read(moved).established
