"""Every forger convinces a verifier that takes his word for it, and none convinces ours."""

import numpy as np
import pytest
import torch

from modelmark.attacks import attack_class
from modelmark.attacks.forgery import _claims
from modelmark.attacks.forgery.adversarial_triggers import AdversarialTriggers
from modelmark.attacks.forgery.false_claim import FalseClaim
from modelmark.attacks.forgery.fit_key import FitKey
from modelmark.attacks.forgery.fit_projection import FitProjection
from modelmark.attacks.forgery.grind import Grind, prf_key, prf_labels
from modelmark.attacks.forgery.subset import Subset
from modelmark.audit.naive import drawn_evidence, naive_rate
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.models import build
from modelmark.testing.false_positives import messages
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed

CLAIMS = [
    FitProjection(),
    FitProjection(how="least-squares"),
    FitProjection("deepsigns"),
    FitProjection("deepsigns", "least-squares", bits=20),
    AdversarialTriggers(),
    AdversarialTriggers("pictures"),
    Grind(),
    Grind("pictures"),
    Subset(),
    FitKey(),
    pytest.param(FitKey("null"), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("attack", CLAIMS, ids=str)
def test_a_naive_verifier_believes_it_and_ours_does_not(attack, unmarked, digits):
    thief = digits.split({"owner": 0.5, "thief": 0.5}, seed=0)["thief"]
    claim = attack(unmarked, thief, seed=3)
    assert naive_rate(claim, unmarked, digits.feed) >= 0.99
    found = drawn_evidence(claim, unmarked, digits.feed)
    assert not found.established
    if claim.scheme == "uchida":
        assert isinstance(found, Observation)
        assert found.reason == "the message was chosen, not drawn"
    else:
        assert isinstance(found, Evidence)
        assert found.gross_bits < 20
        assert found.trials == len(claim.message)


@pytest.mark.parametrize(
    "attack", [pytest.param(AdversarialTriggers(), marks=pytest.mark.slow), Grind(triggers=60), Subset()], ids=str
)
def test_drawn_labels_are_coins_whatever_the_pictures(attack, unmarked, digits):
    claim = attack(unmarked, digits, seed=3)
    drawn = messages(10, len(claim.message), 2000)
    rates = (drawn == claim.message).mean(axis=1)  # the model answers exactly the forged labels
    assert naive_rate(claim, unmarked, digits.feed) >= 0.99
    assert rates.mean() == pytest.approx(0.1, abs=0.003)
    assert rates.max() < 0.4


@pytest.mark.parametrize("net", ["mlp", pytest.param("cnn", marks=pytest.mark.slow)])
def test_false_claim_transfers_to_a_model_it_never_saw(net, digits):
    recipe = annealed(12, 0.05, batch=64, clip=1.0)
    halves = digits.split({"victim": 0.5, "accuser": 0.5}, seed=0)
    victim = fit(build(net, digits.feed.input_shape, 10, seed=5), halves["victim"], recipe, seed=5)
    claim = FalseClaim(triggers=60, epochs=8)(victim, halves["accuser"], seed=3)
    rate = naive_rate(claim, victim, digits.feed)
    assert rate >= 0.8
    found = drawn_evidence(claim, victim, digits.feed)
    assert isinstance(found, Evidence)
    assert found.gross_bits < 20
    stranger = fit(build("mlp", digits.feed.input_shape, 10, seed=6), halves["victim"], recipe, seed=6)
    assert naive_rate(claim, stranger, digits.feed) >= 0.3
    assert drawn_evidence(claim, stranger, digits.feed).gross_bits < 20


def test_false_claim_does_not_ask_the_accused(unmarked, fresh, digits):
    attack = FalseClaim(surrogates=1, epochs=1, triggers=20, steps=2)
    a, b = attack(unmarked, digits, seed=1), attack(fresh, digits, seed=1)
    assert np.array_equal(a.attachments["triggers"], b.attachments["triggers"])
    assert np.array_equal(a.message, b.message)
    assert attack_class("false-claim")(surrogates=1, nets="mlp", epochs=1, triggers=5, steps=1, disjoint=True)(
        fresh, digits, seed=1
    ).message.shape == (5,)


def test_adversarial_pictures_stay_near_and_get_labels_that_are_not_their_own(unmarked, digits):
    claim = AdversarialTriggers("pictures", triggers=50, epsilon=40, steps=5)(unmarked, digits, seed=0)
    made = torch.from_numpy(claim.attachments["triggers"]).float()
    change = (made[:, None] - digits.train_inputs[None].float()).abs().flatten(2).amax(dim=2)
    assert change.amin(dim=1).max() <= 40
    nearest = digits.train_targets[change.argmin(dim=1)].numpy()
    assert (nearest != claim.message).all()


@pytest.mark.parametrize("start", ["noise", "pictures"])
def test_ground_labels_are_functions_of_their_pictures_alone(start, unmarked, digits):
    claim = Grind(start, triggers=30)(unmarked, digits, seed=4)
    pictures = torch.from_numpy(claim.attachments["triggers"])
    assert prf_labels(prf_key(4), pictures, 10).tolist() == claim.message.tolist()
    assert 100 < claim.tries < 1000  # ten candidates a picture
    if start == "pictures":
        change = (pictures[:, None].int() - digits.train_inputs[None].int()).abs().flatten(2).amax(dim=2)
        assert change.amin(dim=1).max() <= 1


def test_grinding_stops_at_its_limit(unmarked, digits, monkeypatch):
    asked, answers = [], _claims.answers

    def counted(model, pictures, task):
        asked.append(len(pictures))
        return answers(model, pictures, task)

    monkeypatch.setattr(_claims, "answers", counted)
    with pytest.raises(UsageError, match="in 60 candidates"):
        Grind(triggers=50, limit=60)(unmarked, digits, seed=0)
    assert sum(asked) == 60


def test_subset_needs_as_many_committed_as_chance_says(unmarked, digits):
    claim = Subset(committed=600, opened=40)(unmarked, digits, seed=3)
    assert (claim.tries, len(claim.message)) == (600, 40)
    with pytest.raises(UsageError, match=r"expected 100 matches by luck among 600 triggers, got [4-8]"):
        Subset(committed=600, opened=100)(unmarked, digits, seed=3)


@pytest.mark.parametrize("how", ["sign", "least-squares"])
def test_fitted_projections_look_drawn_and_say_what_the_forger_chose(how, unmarked, digits):
    first, second = (FitProjection(how=how, claims=text)(unmarked, digits, seed=0) for text in ("mine", "yours"))
    assert (first.message != second.message).mean() > 0.3
    matrix = first.attachments["matrix"]
    assert matrix.dtype == np.float32
    assert abs(matrix.mean()) < 0.02
    assert matrix.std() == pytest.approx(1, abs=0.03)


def test_a_forged_activation_matrix_cannot_be_put_into_a_key(unmarked, digits):
    claim = FitProjection("deepsigns", "least-squares", bits=20)(unmarked, digits, seed=0)
    assert naive_rate(claim, unmarked, digits.feed) == 1
    found = drawn_evidence(claim, unmarked, digits.feed)
    assert found.matches < 140  # its own projection comes from the secret: about 100 of 200


def test_fitted_null_filters_change_little_and_true_ones_get_their_answers(unmarked, digits):
    claim = FitKey("null", symbols=30, tries=30)(unmarked, digits, seed=0)
    assert claim.attachments["null"].shape == (8, 8)
    assert claim.attachments["true"].shape == (30, 8, 8)
    assert (np.abs(claim.attachments["true"]).sum(axis=(1, 2)) == 9).all()
    assert claim.tries == 30


def test_what_is_no_forgery_here_is_refused(unmarked, digits):
    from modelmark.attacks.results import Forged

    with pytest.raises(UsageError, match="expected a claim of a scheme"):
        naive_rate(Forged("dawn", np.zeros(3, np.int64)), unmarked, digits.feed)
    claim = FitProjection()(unmarked, digits, seed=0)
    narrow = build("mlp", digits.feed.input_shape, 10, seed=0)
    with pytest.raises(MismatchError):
        naive_rate(claim, narrow, digits.feed)


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (FitProjection, {"scheme": "deepsigns", "classes": 3}),
        (Grind, {"limit": 3}),
        (Subset, {"committed": 10, "opened": 11}),
    ],
)
def test_settings_that_do_not_go_together_are_refused(cls, settings):
    with pytest.raises(ValueError, match=r"^expected .* got "):
        cls(**settings)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (FitProjection(layer="nowhere"), "expected a linear or convolution layer"),
        (FitProjection("deepsigns", "least-squares", classes=11), "expected inputs of 11 classes"),
        (AdversarialTriggers("pictures", triggers=2000), "expected at least 2000 pictures"),
        (Grind(triggers=50, limit=60), "expected 50 fitting pictures in 60 candidates"),
        (FitKey(symbols=46), "expected at most 45 pairs"),
        (FitKey("null", side=9), "expected patterns of at most 8 pixels"),
    ],
    ids=str,
)
def test_what_cannot_be_forged_is_refused(attack, message, unmarked, digits):
    with pytest.raises(UsageError, match=message):
        attack(unmarked, digits, seed=0)
