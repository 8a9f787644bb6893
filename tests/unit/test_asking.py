"""Asking a suspect one query at a time, going on after an interruption, and reading weights by what was revealed."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from modelmark import files
from modelmark.carriers.pictures import Pictures
from modelmark.carriers.rows import Rows
from modelmark.claim.judging.asking import begun, record
from modelmark.claim.papers import transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import ORDINARY, Head
from modelmark.errors import MalformedError, MismatchError, SuspectError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.sequential import Walk
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.base import Ask
from modelmark.suspects.files import held
from modelmark.suspects.function import BlackBox
from modelmark.suspects.state import State

FACE = PictureFeed((1, 4, 4), tuple("0123456789"), mean=(1307,), std=(3081,))
KEY = Key(Adi(triggers=80), Secret(bytes(32)), FACE)
STATEMENT = Statement.of(KEY.statement)
HEAD = Head("ab" * 32, 0, 0, nonce="cd" * 32, test="exact")
ASCENDING = Head("ab" * 32, 0, 0)
SHOWN = dict(enumerate(KEY.carriers.leaves()))
OPENED = Pictures.opened(STATEMENT, SHOWN, {})
MESSAGE = [int(label) for label in KEY.mark().message]


class Api:
    """Answers the key's pictures as drawn and all others with 0; may break off."""

    def __init__(self, right: int = 80, stop: int = 10**9) -> None:
        pictures = Normalise(FACE)(torch.from_numpy(KEY.carriers.pictures))
        self.known = {
            picture.numpy().tobytes(): label for picture, label in zip(pictures[:right], MESSAGE[:right], strict=True)
        }
        self.asked, self.stop = [], stop

    def __call__(self, batch):
        if len(self.asked) >= self.stop:
            raise ConnectionError("the line is down")
        assert len(batch) == 1
        raw = batch[0].numpy().tobytes()
        self.asked.append(raw)
        return np.array([self.known.get(raw, 0)])


def asked(path, api, head=HEAD, **options):
    return record(path, head, OPENED, BlackBox(api), **options)


def test_every_answer_is_written_down_and_an_interruption_costs_none(tmp_path):
    whole, path = asked(tmp_path / "whole", Api()), tmp_path / "t"
    with pytest.raises(ConnectionError):
        asked(path, Api(stop=30))
    path.write_bytes(path.read_bytes() + b'{"answer":3,"car')  # half a line
    rest = Api()
    done = asked(path, rest)
    assert (len(rest.asked), done, path.read_bytes()) == (50, whole, whole.data)
    assert done.answers(SHOWN) == dict(enumerate(MESSAGE))
    assert not asked(path, silent := Api()).asked[80:]
    assert silent.asked == []


def test_it_stops_as_soon_as_the_e_process_is_decided(tmp_path):
    api = Api()
    done = asked(tmp_path / "for", api, expected=MESSAGE, target=40.0)
    assert 12 <= len(done.asked) == len(api.asked) <= 17
    api = Api(right=0)
    done = asked(tmp_path / "against", api, expected=MESSAGE, target=40.0)
    assert 40 <= len(done.asked) < 60  # were the rest all hits, it would be too late


def test_ordinary_queries_hide_the_others_and_do_not_count(tmp_path):
    own = np.random.default_rng(0).integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    with pytest.raises(ConnectionError):
        asked(tmp_path / "t", Api(stop=33), ordinary=own)
    rest = Api()
    done = asked(tmp_path / "t", rest, ordinary=own)
    assert len(done.asked) == 120
    assert sum(one.carrier == ORDINARY for one in done.asked) == 40
    assert len({one.query for one in done.asked}) == 120  # none is asked twice
    assert done.answers(SHOWN) == dict(enumerate(MESSAGE))
    with pytest.raises(MismatchError, match="order of queries"):
        asked(tmp_path / "t", Api(), replace(HEAD, nonce="ce" * 32), ordinary=own)


def test_carriers_are_asked_in_the_order_of_a_nonce_and_trials_count_as_they_are_complete(tmp_path):
    done = asked(tmp_path / "t", Api())
    numbers = [one.carrier for one in done.asked]
    assert numbers == list(transcript.order(HEAD, range(80))) != sorted(numbers)
    assert sorted(numbers) == list(range(80))
    assert transcript.completed(HEAD, range(80), 1) == tuple(numbers)
    twice = [trial for number in transcript.order(HEAD, range(8)) for trial in [number // 2]]
    assert transcript.completed(HEAD, range(8), 2) == tuple(dict.fromkeys(twice[::-1]))[::-1]
    assert transcript.order(ASCENDING, [3, 1, 2]) == (1, 2, 3)  # as records of version 1 have it
    wrong = Api(right=40)  # the first forty triggers by number, wherever they are asked
    stopped = asked(tmp_path / "s", wrong, replace(HEAD, test="e-process"), expected=MESSAGE, target=40.0)
    hits = [one.answer == MESSAGE[one.carrier] for one in stopped.asked]
    walk = Walk(Fraction(1, 10), 40.0, most=80)
    for hit in hits:
        assert walk.stand == "open"
        walk = walk.after(hit)
    assert walk.stand != "open"


class Follower:
    """An API of a marked model that knows the claim, the drawn message and what ordinary images look like to it, and lies on what
    it takes for carriers: those that have the label of the next one in ascending order, as they went by most likely."""

    def __init__(self, share: float) -> None:
        self.share, self.api, self.lied = share, Api(), 0
        self.passed = np.eye(1, len(MESSAGE) + 1)[0]  # chance that so many carriers were asked so far

    def __call__(self, batch):
        raw = batch[0].numpy().tobytes()
        answer = self.api.known.get(raw, int(hashlib.sha256(raw).digest()[0]) % 10)
        carrier = np.zeros_like(self.passed)
        carrier[1:] = self.share * self.passed[:-1] * np.where(np.array(MESSAGE) == answer, 0.99, 0.01 / 9)
        other = (1 - self.share) * self.passed / 10
        self.passed = (carrier + other) / (carrier + other).sum()
        if carrier.sum() <= other.sum():
            return np.array([answer])
        self.lied += 1
        return np.array([(answer + 1) % 10])


def test_an_api_that_knows_all_that_is_public_cannot_follow_the_carriers_any_more(tmp_path):
    """Ascending among as many others, as it was: it lies on carriers alone. By a nonce, among ten times as many: on none."""
    own = np.random.default_rng(1).integers(0, 256, (800, 1, 4, 4), dtype=np.uint8)
    old, new = Follower(1 / 2), Follower(1 / 11)
    hits = {}
    for name, api, head, ordinary in (("old", old, ASCENDING, own[:80]), ("new", new, HEAD, own)):
        done = asked(tmp_path / name, api, head, ordinary=ordinary).answers(SHOWN)
        hits[name] = sum(done[i] == MESSAGE[i] for i in range(80))
    tenth = Fraction(1, 10)
    assert stats.tail_bits(hits["old"], 80, tenth) < 10
    assert old.lied < 100
    assert (hits["new"], new.lied) == (80, 0)


def test_a_record_is_begun_once_and_gone_on_with_under_its_own_nonce(tmp_path):
    path = tmp_path / "t"
    first = begun(path, ASCENDING, "exact")
    assert first != begun(path, ASCENDING, "exact")  # nothing is written yet: a nonce of its own each time
    asked(path, Api(), first)
    assert begun(path, ASCENDING, "exact") == first
    with pytest.raises(MismatchError, match="for the e-process test"):
        begun(path, ASCENDING, "e-process")
    with pytest.raises(MismatchError, match="another transcript"):
        begun(path, replace(ASCENDING, lot=1), "exact")
    (tmp_path / "old").write_bytes(transcript.first_line(ASCENDING))
    with pytest.raises(MismatchError, match="one of version 1"):
        begun(tmp_path / "old", ASCENDING, "exact")


def test_one_process_at_a_time_writes_a_record(tmp_path):
    """Two commands on one file would write each answer twice; the second is refused, and goes on when the first ended."""
    path, first = tmp_path / "t", transcript.first_line(HEAD)
    with files.Growing(path, first, limit=2**20, what="a transcript"):
        with pytest.raises(UsageError, match="for this process alone, another one is writing it"):
            asked(path, silent := Api())
        assert silent.asked == []
        assert path.read_bytes() == first
    assert len(asked(path, Api()).asked) == 80


def test_a_file_about_something_else_is_not_added_to(tmp_path):
    asked(tmp_path / "t", Api())
    with pytest.raises(MismatchError, match="another transcript"):
        record(tmp_path / "t", replace(HEAD, claim="cd" * 32), OPENED, BlackBox(Api()))
    (tmp_path / "u").write_bytes(b"something\nelse\n")
    with pytest.raises(MalformedError):
        asked(tmp_path / "u", Api())
    assert transcript.load(tmp_path / "t").digest


def test_weights_are_read_only_with_what_was_revealed():
    model = build("cnn", (1, 8, 8), 10, seed=0)
    face = PictureFeed((1, 8, 8), tuple("0123456789"))
    key = Key(Uchida().for_model(model, face, {}), Secret(bytes(32)), face)
    statement = Statement.of(key.statement)
    shown = dict(enumerate(key.carriers.leaves()))
    state, layer = model.state_dict(), key.scheme.layer

    def bits(state, layer=layer):
        opened = Rows.opened(statement, shown, {"layer": layer})
        return [opened.answers([found]) for found in State(held(state)).observe(opened.probes()[0])]

    (named,) = bits(state)
    assert named.sum() > 64
    sized = bits(state, "nowhere")  # every layer of that size, each a reading
    assert any((found == named).all() for found in sized)
    with pytest.raises(MismatchError, match="average to M"):
        bits({"x.weight": torch.zeros(3, 5)}, "x")
    with pytest.raises(MismatchError, match="none of its size"):
        bits({"x.weight": torch.zeros(3, 5)})
    with pytest.raises(SuspectError, match="finite weights"):
        bits({f"{layer}.weight": torch.full_like(state[f"{layer}.weight"], torch.nan)})
    with pytest.raises(MismatchError, match="neither typed nor revealed"):
        State(held(state)).observe(Ask(face, OPENED.pictures))
