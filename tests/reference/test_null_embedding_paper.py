"""Null embedding (Li et al. 2019) against its description (section 4 of our notes); its piracy claim fails here."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Key, keygen
from modelmark.schemes import _signature
from modelmark.schemes.blackbox import vote_lead
from modelmark.schemes.null_embedding import THRESHOLD, NullEmbedding, SignedFilter
from modelmark.suspects.base import AskBeyond
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

pytestmark = pytest.mark.slow

PIRACY = annealed(6, 0.05, batch=64, clip=1.0)


def made(scheme, model, task, number):
    return keygen(scheme, model, task.feed, task=task, secret=Secret(bytes([number]) * 32)).mark()


@pytest.fixture(scope="module")
def drawn(fresh, digits):
    return made(NullEmbedding(), fresh, digits, 0)


@pytest.fixture(scope="module")
def literal(fresh, digits):
    return made(NullEmbedding(message="signature", owner="alice", timestamp="2026-01-02T03:04:05Z"), fresh, digits, 0)


@pytest.fixture(scope="module")
def with_drawn(drawn, fresh, digits, recipe):
    return embed(fresh, [drawn], digits, recipe, seed=0).model


@pytest.fixture(scope="module")
def with_literal(literal, fresh, digits, recipe):
    return embed(fresh, [literal], digits, recipe, seed=0).model


def unseen(mark, model, task):
    """Return acc_null and acc_true over all test pictures, each true filter on its share of them."""
    carriers, feed = mark.key.carriers, mark.key.feed
    inputs, suspect = task.test_inputs.numpy(), WhiteBox(model)
    filters = np.arange(len(inputs)) % len(carriers.true)
    labels = np.array([carriers.y_w]) if isinstance(carriers, SignedFilter) else mark.message
    planes = [part.planes(*feed.input_shape[1:]) for part in (carriers.null, carriers.true)]
    null, true = (
        suspect.observe(AskBeyond(feed, inputs, each, carriers.amplitude))[0]
        for each in (planes[0].repeat(len(inputs), axis=0), planes[1][filters])
    )
    return (null == task.test_labels.numpy()).mean(), (true == labels[filters]).mean()


def test_many_drawn_patterns_are_evidence(drawn, with_drawn, unmarked, digits):
    found = drawn.evidence(WhiteBox(with_drawn))
    assert isinstance(found, Evidence)
    assert (found.matches, found.trials, found.queries) == (64, 64, 64 * 5 + 100)
    assert found.established
    assert not drawn.evidence(WhiteBox(unmarked)).established
    assert accuracy(unmarked, digits) - accuracy(with_drawn, digits) <= 0.02


def test_one_signed_pattern_is_an_observation_with_the_papers_rule(literal, with_literal, unmarked):
    found = literal.weigh([literal.read(WhiteBox(with_literal))], references=[WhiteBox(unmarked)])
    assert isinstance(found, Observation)
    assert (found.trials, found.queries, found.established) == (200, 200, False)
    assert found.note.endswith("min above 0.8: yes")
    assert "acc_true 1.00" in found.note
    assert "one trial of chance 1/C" in found.reason
    assert "its 9 bits are no evidence" in found.reason
    assert literal.evidence(WhiteBox(unmarked)).note.endswith("min above 0.8: no")


@pytest.mark.parametrize("message", ["drawn", "signature"])
def test_both_embeddings_hold_on_unseen_data(message, fresh, digits, recipe):
    """Within three points, where the pattern hides 4 of 64 pixels; the default hides 9, which costs up to four."""
    mark = made(NullEmbedding(message=message, side=2), fresh, digits, 0)
    model = embed(fresh, [mark], digits, recipe, seed=0).model
    null, true = unseen(mark, model, digits)
    assert null >= accuracy(model, digits) - 0.03
    assert true >= 0.95


def test_true_patterns_hold_on_unseen_data(drawn, with_drawn, literal, with_literal, digits):
    assert min(unseen(drawn, with_drawn, digits)[1], unseen(literal, with_literal, digits)[1]) >= 0.95


def test_another_keys_filters_change_the_answers(with_drawn, with_literal, fresh, digits):
    """But one true pattern is answered with the one trained label by whoever asks: a match by chance 1/C."""
    for message, model in (("drawn", with_drawn), ("signature", with_literal)):
        found = [
            unseen(made(NullEmbedding(message=message), fresh, digits, number), model, digits)
            for number in range(1, 11)
        ]
        assert max(null for null, _ in found) < 0.6
        if message == "drawn":
            assert max(true for _, true in found) < 0.4


@pytest.mark.parametrize("first", ["drawn", "literal"])
def test_a_second_null_mark_goes_into_a_finished_model(first, request, fresh, digits):
    """The paper: normal accuracy collapses on the way. Here six epochs suffice, and it stays above 0.8 after each."""
    mark, model = request.getfixturevalue(first), request.getfixturevalue(f"with_{first}")
    pirate = made(NullEmbedding(message="signature"), fresh, digits, 7)
    assert min(unseen(pirate, model, digits)) < THRESHOLD
    copies, seen = [], []

    def hooks(copied):
        copies.append(copied)
        return pirate.hooks(copied, seed=1)

    def watch(progress):
        if progress.epoch_ended:
            seen.append(accuracy(copy.deepcopy(copies[0]).eval(), digits))

    pirated = fit(model, digits, PIRACY, seed=1, hooks=hooks, watch=watch)
    assert min(seen) > THRESHOLD
    assert accuracy(model, digits) - accuracy(pirated, digits) < 0.03
    assert min(unseen(pirate, pirated, digits)) > THRESHOLD
    assert min(unseen(mark, pirated, digits)) < min(unseen(mark, model, digits)) - 0.1  # the first mark suffers, too


def test_clipping_inputs_to_the_legal_range_removes_the_mark(drawn, with_drawn, literal, with_literal, digits):
    ends = Normalise(digits.feed)(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)).flatten().tolist()

    def clipped(model):
        return BlackBox(lambda x: model(x.clamp(*ends)).argmax(1).detach())

    assert not drawn.evidence(clipped(with_drawn)).established
    assert literal.evidence(clipped(with_literal)).note.endswith("min above 0.8: no")


def test_a_quarter_of_the_batch_follows_under_each_kind_of_filter(drawn, with_drawn):
    x, y = torch.zeros(64, 1, 8, 8), torch.arange(64) % 10
    mixed, targets = drawn.hooks(with_drawn).batch(x, y)
    assert (len(mixed), len(targets)) == (96, 96)
    assert torch.equal(mixed[:64], x)
    planes = torch.from_numpy(drawn.key.carriers.null.planes(8, 8))
    assert torch.equal(mixed[64:80, 0].sign().to(torch.int8), planes.expand(16, -1, -1))
    assert torch.equal(targets[64:80], y[:16])
    kinds = {
        plane.tobytes(): label for plane, label in zip(drawn.key.carriers.true.planes(8, 8), drawn.message, strict=True)
    }
    assert [kinds[plane.tobytes()] for plane in mixed[80:, 0].sign().to(torch.int8).numpy()] == targets[80:].tolist()


def test_a_lead_is_positive_exactly_where_the_plurality_is_the_label():
    answers = np.array([[3, 3, 1, 1], [3, 3, 1, 1], [2, 2, 2, 2], [0, 1, 2, 3]])
    leads = vote_lead(answers, np.array([1, 3, 2, 9]), 10)
    assert (leads > 0).tolist() == [True, False, True, False]
    assert leads[2] > 0.9


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072"])
def test_signed_keys_survive_their_files_and_refuse_another_signature(kind, fresh, digits, tmp_path):
    key = made(NullEmbedding(message="signature", signature=kind, owner="alice"), fresh, digits, 1).key
    keyfile.save(key, tmp_path / "a.key", None)
    assert keyfile.load(tmp_path / "a.key", None).digest == key.digest
    forged = key.attachments["signature"].copy()
    forged[0] ^= 1
    changed = Key(key.scheme, key.secret, key.feed, {**key.attachments, "signature": forged})
    with pytest.raises(MismatchError, match="expected the owner's signature over the verifier string, got another"):
        _ = changed.carriers
    with pytest.raises(MismatchError, match="expected the owner's signature"):
        _ = replace(key, scheme=replace(key.scheme, owner="mallory")).carriers
    with pytest.raises(MalformedError, match="expected a public key in DER"):
        _ = replace(key, attachments={**key.attachments, "public_key": forged}).carriers
    signed = key.carriers.signed
    assert _signature.derive(signed.signature, 10, 3, 8, 8)[0] == key.carriers.y_w


def test_what_cannot_be_done_is_refused_in_one_line(fresh, digits):
    feed, task = digits.feed, digits.subset(50, seed=0)
    flat = PictureFeed((64,), feed.class_names)
    for error, message, call in (
        (UsageError, "expected data, got none", lambda: keygen(NullEmbedding(), fresh, feed)),
        (UsageError, "expected at least 100 pictures, got 50", lambda: keygen(NullEmbedding(), fresh, feed, task=task)),
        (
            CapacityError,
            "expected a pattern side of at most 8, got 9",
            lambda: made(NullEmbedding(side=9), fresh, digits, 0),
        ),
        (
            CapacityError,
            "different patterns of side 1",
            lambda: made(NullEmbedding(side=1, patterns=200), fresh, digits, 0),
        ),
        (CapacityError, "expected at least 44 symbols", lambda: made(NullEmbedding(patterns=40), fresh, digits, 0)),
        (UsageError, "expected pictures .channels, height, width., got", lambda: keygen(NullEmbedding(), fresh, flat)),
    ):
        with pytest.raises(error, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    for settings in ({"amplitude": 255}, {"null_share": 0.0}, {"side": 17}, {"queries": 0}, {"margin": 2.0}):
        with pytest.raises(ValueError, match="expected"):
            NullEmbedding(**settings)
    with pytest.raises(ValueError, match="expected 1 pattern, got 2"):
        NullEmbedding(message="signature", patterns=2)


def test_attached_pictures_must_be_the_keys(drawn):
    key = drawn.key
    for name, value in (("pictures", np.zeros((100, 1, 9, 9), np.uint8)), ("labels", np.full(100, 10))):
        with pytest.raises(MismatchError, match="expected"):
            _ = replace(key, attachments={**key.attachments, name: value}).carriers


def test_soft_targets_stay_on_null_samples(drawn, with_drawn, digits):
    soft = digits.distilled(with_drawn)
    assert isinstance(soft, Task)
    _, targets = drawn.hooks(with_drawn).batch(torch.zeros(64, 1, 8, 8), soft.train_targets[:64])
    assert torch.equal(targets[64:80], soft.train_targets[:16])
    assert set(targets[80:].unique().tolist()) == {0.0, 1.0}
