"""``dawn``: which queries an API errs on, when, what its log is, and what a student of its answers gives away."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from modelmark.attacks.pruning.prune import Prune
from modelmark.data import records
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.records import Records
from modelmark.key.secret import Secret
from modelmark.marks.erring import Erring
from modelmark.marks.keys import KeyPolicy
from modelmark.marks.ondata import keygen_of_records
from modelmark.schemes import _crafting
from modelmark.schemes.dawn import Dawn
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed

SECRET = Secret(bytes(range(32)))
SMALL = KeyPolicy(self_check=True)
FACE = PictureFeed((1, 4, 4), ("a", "b", "c", "d"), (3000,), (2000,))
SHOWN = np.random.default_rng(0).integers(0, 256, (400, 1, 4, 4), dtype=np.uint8)
SAID = np.arange(400) % 4


@pytest.fixture(scope="module")
def served(perceptron, digits, tmp_path_factory):
    """A mark of one period, and what an API serves in the next to who asks for all of the training data."""
    folder, asked = tmp_path_factory.mktemp("dawn"), digits.train_inputs.numpy()
    own = _crafting.answered(perceptron[1], digits.train_inputs, digits.feed).argmax(axis=1)
    with Erring(folder / "one", digits.feed, SECRET, rate=0.06) as api:
        assert np.array_equal(api.answer(asked, own), own)
        mark = keygen_of_records(Dawn(), api.records(), secret=Secret(bytes(32))).mark()
    with Erring(folder / "two", digits.feed, SECRET, [mark], rate=0.06) as api:
        return mark, own, api.answer(asked, own)


def test_a_chosen_share_is_logged_once_and_answered_wrongly_after_its_period(tmp_path):
    with Erring(tmp_path / "one", FACE, SECRET, rate=0.2) as api:
        for _ in range(2):
            assert np.array_equal(api.answer(SHOWN, SAID), SAID)
        assert 50 < api.waiting < 110
        found = api.records()
    mark = keygen_of_records(Dawn(), found, secret=SECRET, policy=SMALL).mark()
    with Erring(tmp_path / "two", FACE, SECRET, [mark], rate=0.2) as api:
        served = api.answer(SHOWN, SAID)
        assert api.waiting == 0
        assert (served != SAID).sum() == len(found)
        again = api.answer(SHOWN, (SAID + 1) % 4)  # the drawn label whatever the network says today
    chosen = served != SAID
    assert np.array_equal(again[chosen], served[chosen])
    assert np.array_equal(mark.records().given, served[chosen])
    assert np.array_equal(mark.records().inputs, SHOWN[chosen])
    assert set(served[chosen] - SAID[chosen]) == {-3, -2, -1, 1, 2, 3}


def test_a_log_goes_on_where_it_was_and_a_changed_line_is_refused(tmp_path):
    log = tmp_path / "log"
    with Erring(log, FACE, SECRET, rate=0.2) as api:
        api.answer(SHOWN[:200], SAID[:200])
        with pytest.raises(UsageError, match="another one is writing it"):
            Erring(log, FACE, SECRET)
    log.write_bytes(log.read_bytes() + b'{"before":"half')
    with Erring(log, FACE, SECRET, rate=0.2) as api:
        api.answer(SHOWN, SAID)
        whole = api.records()
    with Erring(tmp_path / "other", FACE, SECRET, rate=0.2) as api:
        api.answer(SHOWN, SAID)
        assert np.array_equal(whole.inputs, api.records().inputs)
    lines = log.read_bytes().splitlines(keepends=True)
    one = json.loads(lines[3])
    for changed in (
        [*lines[:3], *lines[4:]],
        lines[1:],
        [*lines[:3], lines[3].replace(one["input"].encode(), one["input"][4:].encode()), *lines[4:]],
        [*lines[:3], lines[3].replace(b'"label":%d' % one["label"], b'"label":4'), *lines[4:]],
        [*lines[:3], b"{}\n"],
    ):
        log.write_bytes(b"".join(changed))
        with pytest.raises(MalformedError, match="expected"):
            Erring(log, FACE, SECRET)


def test_a_log_becomes_records_for_the_command_line(tmp_path):
    with Erring(tmp_path / "log", FACE, SECRET, rate=0.2) as api:
        api.answer(SHOWN, SAID)
        api.save(tmp_path / "queries.npz")
        own, found = api.records(), records.load([tmp_path / "queries.npz"], 1)
    assert np.array_equal(found.inputs, own.inputs)
    assert np.array_equal(found.given, own.given)
    assert (found.feed.mean, found.feed.std, found.feed.classes) == ((3000,), (2000,), 4)


def test_a_student_of_what_is_served_errs_as_drawn(served, perceptron, digits):
    mark, own, given = served
    assert 0 < (given != own).mean() < 0.1
    taught = replace(digits, train_targets=torch.from_numpy(given))
    student = fit(perceptron[0], taught, annealed(20, 0.2, batch=64, clip=1.0), seed=4)
    found = mark.evidence(WhiteBox(student))
    assert found.established
    assert mark.evidence(WhiteBox(Prune(0.5)(student, digits, seed=0))).gross_bits > 100
    other = keygen_of_records(Dawn(), Records(digits.feed, mark.carriers.pictures, own[given != own]), secret=SECRET)
    assert other.mark().evidence(WhiteBox(student)).gross_bits < 20
    assert mark.evidence(WhiteBox(perceptron[1])).matches == 0  # who answers rightly never matches


def test_a_wrong_answer_of_a_strangers_matches_as_often_as_chance_says():
    key = keygen_of_records(Dawn(), Records(FACE, SHOWN, SAID), secret=SECRET, policy=SMALL)
    mark, wrong = key.mark(), (SAID + 1 + np.arange(400) // 4 % 3) % 4
    assert key.scheme.size(FACE) == (400, 3)
    assert abs(mark.carriers.scores(wrong).total(mark.message) - 400 / 3) < 4 * (400 * 2 / 9) ** 0.5


def test_the_papers_form_errs_at_once_and_proves_nothing(tmp_path):
    """Whoever has the key logs the queries on which a stranger errs as the hash says, and has them all."""
    with Erring(tmp_path / "log", FACE, SECRET, rate=0.2, at_once=True) as api:
        served = api.answer(SHOWN, SAID)
        assert (served != SAID).sum() == api.waiting
        assert np.array_equal(api.answer(SHOWN, SAID), served)
        found = api.records()
    key = keygen_of_records(Dawn(message="secret"), found, secret=SECRET, policy=SMALL)
    assert np.array_equal(key.mark().records().given, served[served != SAID])
    stranger = (SAID + 1) % 4
    every = keygen_of_records(Dawn(message="secret"), Records(FACE, SHOWN, SAID), secret=SECRET, policy=SMALL).mark()
    liked = every.carriers.symbols(stranger) == every.message
    picked = Records(FACE, SHOWN[liked], SAID[liked])
    literal, drawn = (
        keygen_of_records(Dawn(message=message), picked, secret=SECRET, policy=SMALL).mark()
        for message in ("secret", "drawn")
    )
    assert len(picked) > 100
    assert literal.carriers.scores(stranger[liked]).total(literal.message) == len(picked)
    assert drawn.carriers.scores(stranger[liked]).total(drawn.message) < len(picked) / 2
    assert "chosen by it" in literal.key.scheme.objection()


def test_refusals(tmp_path, digits, perceptron):
    two, rows = PictureFeed((1, 4, 4), ("a", "b")), np.arange(400, dtype=np.int32).reshape(100, 4)
    with pytest.raises(UsageError, match="expected at least three classes"):
        keygen_of_records(Dawn(), Records(two, SHOWN, SAID % 2), policy=SMALL)
    with pytest.raises(UsageError, match="that all differ"):
        keygen_of_records(Dawn(), Records(FACE, np.concatenate([SHOWN, SHOWN]), np.tile(SAID, 2)), policy=SMALL)
    with pytest.raises(UsageError, match="expected queries that are pictures or numbers"):
        keygen_of_records(Dawn(), Records(CausalFeed((4,), vocabulary=400), rows, np.ones(100, np.int64)), policy=SMALL)
    mark = keygen_of_records(Dawn(), Records(FACE, SHOWN, SAID), policy=SMALL).mark()
    with pytest.raises(UsageError, match="in the data"):
        mark.hooks(perceptron[0])
    with pytest.raises(UsageError, match="marks of dawn over the same inputs"):
        Erring(tmp_path / "log", digits.feed, SECRET, [mark])
    for rate in (0.0, -1.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="expected a rate"):
            Erring(tmp_path / "log", FACE, SECRET, rate=rate)
    with Erring(tmp_path / "log", FACE, SECRET) as api:
        for inputs, labels in (
            (SHOWN.astype(float), SAID),
            (SHOWN, SAID[:3]),
            (SHOWN, SAID + 1),
            (SHOWN[:, :, :3], SAID),
        ):
            with pytest.raises(MismatchError, match="expected"):
                api.answer(inputs, labels)
    with pytest.raises(ValueError, match=r"^expected"):
        Dawn(triggers=0)
