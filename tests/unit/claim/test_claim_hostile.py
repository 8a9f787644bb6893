"""What hostile papers cost their reader, in counts: calls, bytes held at once, inputs asked, networks built."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import claim_cases as cases
import hostile_papers as hostile
import numpy as np
import pytest
from claim_cases import at, challenged, decided, verdict
from torch import nn

from modelmark import models
from modelmark.carriers.base import MOST_QUERIES, plurality
from modelmark.carriers.filtered import Filtered
from modelmark.carriers.means import Means
from modelmark.carriers.pictures import Pictures
from modelmark.claim.judging import rules
from modelmark.claim.judging.challenging import Terms, challenge, termed
from modelmark.claim.papers import lots
from modelmark.claim.papers.dispute import Frozen
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.models import build
from modelmark.suspects.base import Ask, AskBeyond
from modelmark.suspects.building import MOST_ANYWAY
from modelmark.suspects.feeding import batch_size
from modelmark.suspects.files import held
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.state import State
from spending import at_most

MIB = 2**20
SUSPECT = Frozen("weights", "cd" * 32)


@contextmanager
def holding(most: int) -> Iterator[None]:
    """Fail if more than ``most`` bytes are held at once; numpy's arrays count."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MIB:.1f} MiB"


def ask(claim, **changes):
    terms = Terms(**({"issued": at(2), "expires": at(9)} | changes))
    return challenge(claim, None, SUSPECT, cases.JUDGE, cases.NOBODY, terms)


class Asked:
    """A suspect that answers with zeros, and remembers how many bytes of inputs it was given at a time."""

    kind, digest = "weights", "cd" * 32

    def __init__(self) -> None:
        self.asked = self.largest = 0

    def told(self, revealed):
        return self

    def observe(self, probe):
        if not isinstance(probe, Ask):
            raise MismatchError("expected to be asked")
        for start in range(0, len(probe.inputs), 256):
            part = slice(start, start + 256)
            parts = [probe.inputs[part], *([probe.planes[part]] if isinstance(probe, AskBeyond) else [])]
            self.largest = max(self.largest, sum(array.nbytes for array in parts))
        self.asked += len(probe.inputs)
        return [np.zeros(len(probe.inputs), np.int64)]


@pytest.mark.parametrize("alphabet", [2, 10, 2**20])
def test_a_claim_of_two_kilobytes_does_not_stop_a_challenge(alphabet):
    """All tails of so many trials were summed to know what one full match is worth: quadratic, minutes."""
    claim = hostile.claimed(hostile.statement("adi", 2**20, alphabet=alphabet, outputs=alphabet))
    assert len(claim.data) < 2048
    with (
        at_most(5_000),
        pytest.raises(MismatchError, match="at most 16384 trials, as an opening holds, got 1048576") as caught,
    ):
        ask(claim)
    assert "--draws" in caught.value.hint
    with (
        at_most(300_000),
        pytest.raises(UsageError, match="a nonce out of your hands for a draw of 200"),
    ):  # and no word on reach
        ask(claim, draws=200)
    terms = Terms(at(2), at(9), draws=200)
    with at_most(300_000):  # a part of it can be opened
        assert lots.drawn(termed(claim, None, SUSPECT, cases.JUDGE, terms), claim.document.keys[0])
    with at_most(5_000):
        lots.require_reach(claim.document)


def test_the_old_way_to_the_reach_was_quadratic():
    """Counted at a 256th of the size: as many products of integers as there are trials, each as long as they are many."""
    trials, chance = 4096, Fraction(1, 10)
    term, moved = 1, 0
    for k in range(trials, 0, -1):
        term = term * k * 9 // (trials - k + 1)
        moved += term.bit_length()
    assert moved > trials**2  # bits, at least
    with at_most(20):
        found = stats.full_bits(trials, chance)
    assert found == pytest.approx(stats.tail_bits(trials, trials, chance))


def test_what_no_opening_can_hold_is_neither_challenged_nor_handed_over():
    many = hostile.statement("null", 64, carriers=2**20, side=1, amplitude=2000, queries=5, pictures=2**20 - 65)
    claim = hostile.claimed(many)
    for refused in (
        lambda: ask(claim),
        lambda: lots.whole(claim.document.keys[0], 0),
        lambda: lots.drawn(challenged(claim, SUSPECT).document, claim.document.keys[0]),
        lambda: lots.require_reach(claim.document),
    ):
        with (
            at_most(5_000),
            pytest.raises(MismatchError, match=r"at most (16384 carriers, as an opening|65536 queries)"),
        ):
            refused()
    squared = hostile.statement("deepsigns", 2**20, carriers=2048, alphabet=2, classes=1024, bits=1024, width=(64,))
    with pytest.raises(MismatchError, match="at most 16384 trials"):
        ask(hostile.claimed(squared))


def test_a_part_of_a_large_key_costs_as_much_as_the_part():
    claim = hostile.claimed(hostile.statement("adi", 2**20))
    with at_most(20_000):
        draw = (
            cases.NOBODY
            and __import__("modelmark.claim.dates.deposit", fromlist=["check"]).check(claim, None, cases.NOBODY).draw()
        )
        assert len(draw.symbols(10, [5, 2**20 - 1])) == 2


@pytest.mark.parametrize(
    ("trials", "each", "count"),
    [(100, 600, 1200)] + [pytest.param(*sizes, 1200, marks=pytest.mark.slow) for sizes in ((1000, 60), (14_000, 4))],
)
def test_pictures_under_filters_are_made_as_they_are_asked(trials, each, count):
    """1.1 MB of carriers were 60,000 pictures and as many planes at once, and floats of both: 820 MB."""
    suspect, (one, leaves) = Asked(), hostile.null(trials, each, count)
    sent = sum(map(len, leaves))
    at_once = 2 * trials * each * 28 * 28  # bytes of pictures and planes, as they were held
    assert at_once > 64 * sent
    with holding(8 * sent):
        made = Filtered.opened(one, dict(enumerate(leaves)), {})
        answers = made.answers([suspect.observe(probe)[0] for probe in made.probes()])
        assert len(made.queries()) == len(answers) == trials * each
        assert made.queries()[trials * each - 1].startswith(b"filter ")
    assert suspect.asked == trials * each + count
    assert suspect.largest <= 2 * 256 * 28 * 28


def test_a_network_is_given_one_batch_at_a_time():
    """Floats of all queries were four times the pictures that were repeated already."""
    one, leaves = hostile.null(100, 60, 100)
    made = Filtered.opened(one, dict(enumerate(leaves)), {})
    given: list[int] = []

    class Zeros(nn.Module):
        def forward(self, x):
            given.append(x.numel())
            return x.new_zeros(len(x), 10)

    assert [len(WhiteBox(Zeros()).observe(probe)[0]) for probe in made.probes()] == [6000, 100]
    assert max(given) == 256 * 28 * 28
    large = PictureFeed((3, 1024, 1024), ("a", "b"))
    assert batch_size(large) == 1
    assert batch_size(PictureFeed((3, 64, 64), ("a", "b"))) == 256


def test_more_queries_than_an_opening_warrants_are_not_asked():
    suspect, (one, leaves) = Asked(), hostile.null(2, 40_000, 300)
    papers = hostile.opened(one, leaves, suspect)
    with at_most(200_000):
        found = verdict(papers, suspect).verdict.document
    assert found.decision == "not-decidable"
    assert f"at most {MOST_QUERIES} queries of null" in "".join(one.detail for one in found.checks)
    assert suspect.asked == 0


@pytest.mark.parametrize("arch", ["cnn", "mlp", "vgg16", "wrn-10-4"])
def test_a_network_is_counted_before_it_is_built(monkeypatch, arch):
    """By the claim's word it has a million classes: gigabytes, and only then were shapes compared with the suspect's."""
    suspect = State(held(build("cnn", (1, 8, 8), 10, seed=0).state_dict()))
    papers = hostile.deepsigns(1_000_000, suspect, arch)
    assert len(papers.claim.data) < 2048
    assert models.numbers(arch, (1, 32, 32), 1_000_000) > 16 * MOST_ANYWAY or arch == "wrn-10-4"
    built: list[object] = []
    monkeypatch.setattr(models, "build", lambda *args, **more: built.append(args))
    found = verdict(papers, suspect).verdict.document
    assert found.decision == "no-evidence"  # what cannot be read as the claim says matches nowhere
    assert not built


def test_sizes_that_torch_cannot_count_are_refused_in_words():
    for arch, shape in (("mlp", (2**24,) * 8), ("cnn", (1, 8)), ("lenet5", (1, 3, 3))):
        with pytest.raises(MismatchError, match="expected"):
            models.numbers(arch, shape, 10)
    assert models.numbers("cnn", (2**24, 2**24, 2**24), 10) > 2**50


def test_counting_says_what_building_makes():
    for arch in models.ARCHITECTURES:
        made = build(arch, (3, 32, 32), 10, seed=0)
        assert models.numbers(arch, (3, 32, 32), 10) == sum(tensor.numel() for tensor in made.state_dict().values())


def test_what_layers_receive_is_bounded_by_the_statement():
    wide = hostile.statement("deepsigns", 8, carriers=8 + 16_000, alphabet=2, bits=8, classes=1, width=(4096,))
    with pytest.raises(MismatchError, match="numbers that layers receive by the statement, got 16000 x 4096"):
        Means.check(wide)


def test_symbols_of_a_large_alphabet_take_no_table():
    """Trials by symbols were 512 MB for 64 trials, and beyond that a ValueError that nobody caught."""
    shape, classes = (1, 4, 4), 2**20
    suspect = Asked()
    one = hostile.statement("adi", 64, alphabet=classes, outputs=classes, shape=shape)
    papers = hostile.opened(one, hostile.pictures(64, shape), suspect)
    shown = dict(enumerate(hostile.pictures(64, shape)))
    made = Pictures.opened(one, shown, {})
    answers = made.answers([suspect.observe(probe)[0] for probe in made.probes()])
    with holding(MIB):
        assert rules.symbols(made, answers, range(64)) == (0,) * 64
    with pytest.raises(ValueError, match="at most 16777216 scores"):
        made.scores(answers)
    assert decided(papers, suspect) == "no-evidence"
    rng = np.random.default_rng(0)
    for queries, symbols in ((1, 3), (5, 3), (7, 10), (4, 2)):
        answers = rng.integers(-2, symbols + 1, (500, queries))
        counts = (answers[:, :, None] == np.arange(symbols)).sum(axis=1)
        table = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
        if queries > 1:
            assert plurality(answers, symbols).tolist() == table.tolist()
