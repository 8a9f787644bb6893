"""Marks in data: what is committed, what is trained on, how suspects are weighed, and what chance gives."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from modelmark import hashing
from modelmark.carriers.ordered import Ordered
from modelmark.carriers.pairs import Pairs
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.evidence.scores import tail_bits
from modelmark.feeds.causal import CausalFeed, padded
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.records import TEXTS, Records
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import KeyPolicy
from modelmark.marks.ondata import Slots, keygen_of_records
from modelmark.marks.reading import read
from modelmark.schemes.choice import Choice
from modelmark.schemes.order import Order
from modelmark.schemes.twins import Twins
from modelmark.suspects.base import ABSTAIN, MISSING, Weigh
from modelmark.suspects.likelihoods import Likelihoods
from modelmark.suspects.transcript import Recorded

SECRET = Secret(bytes(range(32)))
SMALL = KeyPolicy(self_check=True)


def pairs(count: int) -> Records:
    """Return pairs of texts, each behind the same prompt."""
    said = [f"question {i // 2}: answer {'ab'[i % 2]} {i}" for i in range(2 * count)]
    return Records(TEXTS, np.array(said, object)[:, None], np.array([one.index(":") + 1 for one in said]))


def lines(count: int) -> Records:
    return Records(TEXTS, np.array([f"line {i} of many" for i in range(count)], object)[:, None], np.zeros(count, int))


def guessing(seed: int = 0):
    """Return a suspect that finds texts likely as it happens, always the same ones."""
    return Likelihoods(lambda texts: [-noise(seed, given + rest) for given, rest in texts])


def noise(seed: int, text: str) -> float:
    words = np.frombuffer(hashing.expand(16, "noise", bytes([seed]), text.encode()), ">u8")
    return 30 + 5 * math.sqrt(-2 * math.log((words[0] + 1) / 2**64)) * math.cos(2 * math.pi * words[1] / 2**64)


def learned(mark, gain: float, *, seed: int = 0):
    """Return the same suspect after it learned what the mark says, each record by ``gain`` nats."""
    taught = set(mark.records().inputs[:, 0])
    return Likelihoods(
        lambda texts: [min(-noise(seed, g + rest) + gain * ((g + rest) in taught), 0.0) for g, rest in texts]
    )


def other_draws(key, count: int):
    for number in range(count):
        yield Draw(hashing.digest("other-draw", number.to_bytes(4, "big"))).message(
            *reversed(key.scheme.size(key.feed))
        )


@pytest.mark.parametrize("scheme", [Twins(), Choice()])
def test_a_suspect_that_learned_what_the_coins_picked_is_told_from_one_that_learned_the_others(scheme):
    key = keygen_of_records(scheme, pairs(300), secret=SECRET)
    mark = key.mark()
    assert mark.evidence(learned(mark, 20.0)).established
    others = replace(mark.records(), inputs=mark.carriers.versions[2 * np.arange(300) + 1 - mark.message])
    taught = set(others.inputs[:, 0])
    wrong = Likelihoods(lambda texts: [min(-noise(0, g + r) + 20 * ((g + r) in taught), 0.0) for g, r in texts])
    found = mark.evidence(wrong)
    assert (found.net_bits, found.established) == (0.0, False)
    assert found.gross_bits < 0.01
    stranger = keygen_of_records(scheme, pairs(300), secret=Secret(bytes(32))).mark()
    assert stranger.evidence(learned(mark, 20.0)).gross_bits < 20


def test_grades_find_what_counting_misses_and_the_better_of_both_is_charged_a_bit():
    mark = keygen_of_records(Twins(), pairs(400), secret=SECRET).mark()
    suspect = learned(mark, 3.0)
    both = mark.evidence(suspect)
    alone = keygen_of_records(Twins(graded=False), pairs(400), secret=SECRET).mark()
    counted, graded = mark.read(suspect).scores
    assert (
        tail_bits(graded, graded.total(mark.message)).bits > 1.2 * tail_bits(counted, counted.total(mark.message)).bits
    )
    assert [charge.bits for charge in both.charges] == [80.0, 1.0]
    assert [charge.bits for charge in alone.evidence(suspect).charges] == [80.0]
    assert "how clearly" in both.note


def test_what_every_suspect_prefers_hides_the_coins_from_counting_and_not_from_grades():
    """Every suspect finds originals likelier than rewordings: a count of signs says nothing, whatever was learned."""
    mark = keygen_of_records(Twins(), pairs(400), secret=SECRET).mark()
    taught = set(mark.records().inputs[:, 0])

    def weigh(texts):
        return [
            min(-noise(0, g + r) + 4.0 * ((g + r) in taught), 0.0) - 60 * (r.startswith(" answer b")) for g, r in texts
        ]

    counted, graded = mark.read(Likelihoods(weigh)).scores
    assert tail_bits(counted, counted.total(mark.message)).bits < 10
    assert tail_bits(graded, graded.total(mark.message)).bits > 30


def test_numbers_of_a_reference_are_committed_and_sharpen_the_reading():
    plain = keygen_of_records(Twins(), pairs(300), secret=SECRET)
    key = keygen_of_records(Twins(), pairs(300), secret=SECRET, reference=guessing())
    assert key.digest != plain.digest
    suspect = learned(key.mark(), 1.0)
    assert key.mark().evidence(suspect).gross_bits > 250
    own = plain.mark()
    assert own.evidence(learned(own, 1.0)).gross_bits < 60


def test_pairs_that_surprise_alike_or_were_not_asked_abstain():
    key = keygen_of_records(Twins(), pairs(4), secret=SECRET, policy=SMALL)
    answers = np.array([5, 5, 7, ABSTAIN, MISSING, 3, 9, 2])
    assert key.carriers.symbols(answers).tolist() == [ABSTAIN, ABSTAIN, ABSTAIN, 1]
    counted, graded = (key.carriers.scores(one).table for one in key.carriers.every([answers]))
    assert counted.tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]
    assert graded[1:3].tolist() == [[0, 0], [0, 0]]


def test_versions_count_by_what_they_surprise_for_their_size():
    said = np.array(["q:" + "x" * 10, "q:" + "y" * 40], object)[:, None]
    key = keygen_of_records(Choice(), Records(TEXTS, said, np.array([2, 2])), secret=SECRET, policy=SMALL)
    assert key.carriers.symbols(np.array([11, 40])).tolist() == [1]
    assert key.carriers.symbols(np.array([9, 40])).tolist() == [0]
    assert key.carriers.symbols(np.array([10, 40])).tolist() == [ABSTAIN]


@pytest.mark.parametrize(("scheme", "made"), [(Twins(), pairs(60)), (Order(slots=4), lines(40))])
def test_chance_gives_what_it_is_said_to_give(scheme, made):
    """One suspect and a thousand draws: bits of b or more come in 2**-b of them at most, and nearly as often where counted."""
    key = keygen_of_records(scheme, made, secret=SECRET, policy=SMALL)
    messages = list(other_draws(key, 1000))
    for table in read(key.carriers, guessing()).scores:
        totals, which = np.unique([table.total(message) for message in messages], return_inverse=True)
        found = np.array([tail_bits(table, int(total)).bits for total in totals])[which]
        for bits in (1, 2, 4):
            most = 2.0**-bits
            assert (found >= bits).mean() <= most + 4 * math.sqrt(most / 1000)
            assert (found >= bits).mean() >= most / 2 - 4 * math.sqrt(most / 1000)


def test_later_slots_are_found_likelier_and_the_order_is_read_from_that():
    key = keygen_of_records(Order(), lines(2000), secret=SECRET, reference=guessing())
    mark = key.mark()
    place = dict(zip(key.carriers.inputs[:, 0], mark.message, strict=True))

    def suspect(sign):
        return Likelihoods(lambda texts: [sign * place[g + r] - noise(0, g + r) - noise(1, g + r) for g, r in texts])

    found = mark.evidence(suspect(1))
    assert found.established
    assert "bound" in str(found)
    later, _ = mark.read(suspect(-1)).scores
    assert tail_bits(later, later.total(mark.message)).bits < 0.01
    assert mark.evidence(suspect(0)).gross_bits < 20


def test_a_rate_that_fell_to_zero_leaves_the_middle_likelier_and_a_second_rule_reads_that_for_a_bit():
    mark = keygen_of_records(Order(), lines(2000), secret=SECRET, reference=guessing()).mark()
    hump = {
        text: -((slot - 7.5) ** 2) / 16 for text, slot in zip(mark.carriers.inputs[:, 0], mark.message, strict=True)
    }
    suspect = Likelihoods(lambda texts: [2 * hump[g + r] - noise(0, g + r) - noise(1, g + r) for g, r in texts])
    later, middle = mark.read(suspect).scores
    assert tail_bits(later, later.total(mark.message)).bits < 20
    assert tail_bits(middle, middle.total(mark.message)).bits > 100
    found = mark.evidence(suspect)
    assert [charge.bits for charge in found.charges] == [80.0, 1.0]
    assert "the middle of an epoch" in found.note


def test_an_order_goes_through_a_dataloader_slot_by_slot_and_shuffles_within():
    mark = keygen_of_records(Order(slots=4), lines(200), secret=SECRET, policy=SMALL).mark()
    sampler = mark.sampler(seed=3)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == list(range(200))
    assert first != second
    for order in (first, second):
        assert (np.diff(mark.message[order]) >= 0).all()
    again = Slots(mark.message, 3)
    again.set_epoch(1)
    assert list(again) == second
    assert mark.records().inputs[:, 0].tolist() == [
        f"line {i} of many" for i in np.argsort(mark.message, kind="stable")
    ]
    with pytest.raises(UsageError, match="expected a mark of order, got twins"):
        keygen_of_records(Twins(), pairs(10), secret=SECRET, policy=SMALL).mark().sampler()


def feeds():
    tokens = padded([[3, 1, 4], [3, 1], [2, 7, 1, 8], [2, 7, 6]], 4)
    shown = np.arange(4 * 9, dtype=np.uint8).reshape(4, 1, 3, 3)
    picture = PictureFeed((1, 3, 3), ("a", "b", "c"), (5000,), (2500,))
    return {
        "causal": Records(CausalFeed((4,), vocabulary=9), tokens, np.array([1, 1, 2, 2])),
        "pictures": Records(picture, shown, np.array([0, 0, 2, 2])),
        "texts": Records(TEXTS, np.array([["a: ä"], ["a: b\n"], ["b: \x00c"], ["b: dé"]], object), np.array([3, 3, 3, 3])),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["causal", "pictures"])
@pytest.mark.parametrize("scheme", [Twins(), Order(slots=4)])
def test_a_key_goes_through_its_file_and_its_leaves_read_the_same(tmp_path, kind, scheme):
    key = keygen_of_records(scheme, feeds()[kind], secret=SECRET, policy=SMALL)
    keyfile.save(key, tmp_path / "a.key", None)
    loaded = keyfile.load(tmp_path / "a.key")
    assert loaded.digest == key.digest
    own, leaves = key.carriers, key.carriers.leaves()
    public = _Public(key)
    kind_ = type(own)
    kind_.check(public)
    opened = kind_.opened(public, dict(enumerate(leaves)), {})
    assert opened.leaves() == leaves
    assert opened.queries() == own.queries()
    assert kind_.cut(b"".join(leaves), len(leaves)) == leaves
    answers = np.arange(len(own.queries()))
    assert (opened.scores(answers).table == own.scores(answers).table).all()


def test_texts_go_through_a_key_file(tmp_path):
    made = replace(feeds()["texts"], inputs=np.array([["a: ä"], ["a: b\n"], ["b: c"], ["b: dé"]], object))
    key = keygen_of_records(Choice(), made, secret=SECRET, policy=SMALL)
    keyfile.save(key, tmp_path / "a.key", None)
    loaded = keyfile.load(tmp_path / "a.key")
    assert loaded.digest == key.digest
    assert loaded.carriers.versions.tolist() == made.inputs.tolist()


class _Public:
    """What a statement says, for carriers that are opened."""

    def __init__(self, key):
        said = key.statement
        self.scheme, self.parameters, self.feed = said["scheme"], said["parameters"], key.feed
        self.carriers, self.trials, self.alphabet = said["carriers"], said["trials"], said["alphabet"]


def test_leaves_that_are_no_pairs_or_records_are_refused():
    for scheme, made in ((Twins(), pairs(3)), (Order(), lines(3))):
        key = keygen_of_records(scheme, made, secret=SECRET, policy=SMALL)
        kind, public, leaves = type(key.carriers), _Public(key), key.carriers.leaves()
        for bad in (b"", b"pair 0 0 4 4\n" + b"x" * 9, leaves[1][:-1], leaves[1] + b"y", b"record 0 9\nsomething"):
            with pytest.raises(MalformedError, match="as carriers, got"):
                kind.opened(public, {0: leaves[0], 1: bad, 2: leaves[2]}, {})
        with pytest.raises(MalformedError, match="expected 3 carriers"):
            kind.cut(b"".join(leaves) + b"?", 3)
        with pytest.raises(MalformedError, match="expected 4 carriers"):
            kind.cut(b"".join(leaves), 4)


def test_answers_that_were_recorded_are_read_like_those_that_are_given():
    key = keygen_of_records(Twins(), pairs(50), secret=SECRET, policy=SMALL)
    given = guessing().observe(key.carriers.probes()[0])[0]
    digests = [hashlib.sha256(one).hexdigest() for one in key.carriers.queries().values()]
    record = Recorded(dict(zip(digests, given.tolist(), strict=True)))
    assert isinstance(key.carriers, Pairs)
    ours, theirs = (read(key.carriers, one).scores for one in (guessing(), record))
    assert all((a.table == b.table).all() for a, b in zip(ours, theirs, strict=True))
    assert (Recorded({}).observe(key.carriers.probes()[0])[0] == MISSING).all()


def test_too_little_and_what_is_alike_is_refused_when_the_key_is_made():
    with pytest.raises(CapacityError, match="expected at least 144 symbols of alphabet 2"):
        keygen_of_records(Twins(), pairs(143), secret=SECRET)
    alike = pairs(200)
    alike.inputs[7] = alike.inputs[3]
    with pytest.raises(UsageError, match="that all differ, got 3 and 7 alike"):
        keygen_of_records(Twins(), alike, secret=SECRET)
    with pytest.raises(UsageError, match="expected 2 versions of each record"):
        keygen_of_records(Twins(), lines(301), secret=SECRET)
    nothing = replace(pairs(2), given=np.array([99, 99, 99, 99]))
    with pytest.raises(UsageError, match="something behind that"):
        keygen_of_records(Twins(), nothing, secret=SECRET, policy=SMALL)


def test_functions_that_give_no_log_probabilities_are_refused():
    carriers = keygen_of_records(Twins(), pairs(2), secret=SECRET, policy=SMALL).carriers
    for gives in (lambda texts: [0.5] * len(texts), lambda texts: [-1.0], lambda texts: [[-1.0]] * len(texts)):
        with pytest.raises(Exception, match="expected 4 log-probabilities"):
            read(carriers, Likelihoods(gives))
    refused = Likelihoods(lambda texts: [math.nan, -math.inf, -1e-7, -2.5])
    assert refused.observe(carriers.probes()[0])[0].tolist() == [ABSTAIN, 2**40, 0, 2500000]


def test_a_network_weighs_labels_and_tokens_as_their_softmax_says():
    import torch
    from torch import nn

    class Rule(nn.Module):
        """Scores of the next token that depend on this one alone."""

        def __init__(self):
            super().__init__()
            self.scores = nn.Embedding(9, 9)

        def forward(self, tokens):
            return self.scores(tokens)

    from modelmark.suspects.module import WhiteBox

    torch.manual_seed(0)
    made, rule = feeds()["causal"], Rule()
    found = WhiteBox(rule).observe(Weigh(made.feed, made.inputs, made.given))[0]
    table = rule.scores.weight.double().log_softmax(1).detach().numpy()
    expected = [-(table[3, 1] + table[1, 4]), -table[3, 1], -(table[7, 1] + table[1, 8]), -table[7, 6]]
    assert found == pytest.approx(1e6 * np.array(expected), abs=2)
    shown = feeds()["pictures"]
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    weighed = WhiteBox(net).observe(Weigh(shown.feed, shown.inputs, shown.given))[0]
    x = torch.from_numpy((shown.inputs / 255 - 0.5) / 0.25).float()
    logs = net(x).double().log_softmax(1).detach().numpy()
    assert weighed == pytest.approx([-1e6 * logs[i, label] for i, label in enumerate(shown.given)], abs=2)
    with pytest.raises(MismatchError, match="got a network"):
        WhiteBox(net).observe(Weigh(TEXTS, pairs(1).inputs, pairs(1).given))


def test_who_answers_labels_alone_is_refused_in_a_line_that_says_what_is_needed():
    from modelmark.suspects.function import BlackBox

    carriers = keygen_of_records(Twins(), pairs(2), secret=SECRET, policy=SMALL).carriers
    with pytest.raises(MismatchError, match=r"expected log-probabilities of the suspect, .* got its labels alone"):
        read(carriers, BlackBox(lambda texts: [0] * len(texts)))


def test_an_order_of_too_many_slots_is_refused_by_who_opens_it():
    key = keygen_of_records(Order(slots=4), lines(3), secret=SECRET, policy=SMALL)
    public = _Public(key)
    public.alphabet = 65
    with pytest.raises(MismatchError, match="expected 2 to 64 slots"):
        Ordered.check(public)


def test_a_loop_cannot_embed_what_is_in_the_data():
    mark = keygen_of_records(Twins(), pairs(3), secret=SECRET, policy=SMALL).mark()
    with pytest.raises(UsageError, match="a mark of twins is in the data"):
        mark.hooks(None)
