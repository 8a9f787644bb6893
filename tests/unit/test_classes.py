"""``classes``: what a variant is, that training sees fresh ones, and that a class is read by most of its variants."""

import numpy as np
import pytest
import torch

from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.errors import CapacityError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Key, keygen
from modelmark.rendering import triggers
from modelmark.schemes.classes import Classes, Varying
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed

SECRET = Secret(bytes(range(32)))
WIDE = PictureFeed((3, 16, 8), ("a", "b", "c"), (5000, 4000, 3000), (2500, 2000, 1000))


@pytest.fixture(scope="module")
def made(perceptron, digits):
    def make(secret=SECRET, **settings):
        return keygen(Classes(**settings), perceptron[0], digits.feed, secret=secret)

    return make


@pytest.fixture(scope="module")
def marked(made, perceptron, digits):
    mark = made(triggers=60).mark()
    return mark, embed(perceptron[1], [mark], digits, annealed(8, 0.2, batch=64, clip=1.0), seed=2)


def variants(plain, most):
    """All that a picture ``(C, H, W)`` may be seen as, as bytes."""
    shifts = range(-most, most + 1)
    rolled = [np.roll(plain, (row, column), (1, 2)) for row in shifts for column in shifts]
    return {one.tobytes() for picture in rolled for one in (picture, picture[:, :, ::-1])}


def test_a_variant_is_shifted_by_an_eighth_at_most_and_perhaps_mirrored():
    carriers = Key(Classes(triggers=6, queries=18), SECRET, WIDE).carriers
    plain = triggers.render(SECRET, 6, WIDE.input_shape)
    for number, picture in enumerate(plain):
        assert {one.tobytes() for one in carriers.pictures[18 * number :][:18]} == variants(picture, 1)


def test_training_sees_variants_of_the_same_classes_and_never_runs_out_of_them():
    carriers = Key(Classes(triggers=2), SECRET, WIDE).carriers
    hook = Varying(carriers, torch.tensor([2, 0]), 50, seed=1)
    fed, known = Normalise(WIDE), [variants(picture, 1) for picture in carriers.plain]
    shapes = {2: (3, 16, 8)}
    found = {2: set(), 0: set()}
    for _ in range(40):
        inputs, labels = hook.extra(torch.zeros(4, *shapes[2]), torch.zeros(4, dtype=torch.int64))
        for one, label in zip(inputs, labels.tolist(), strict=True):
            found[label].add(one.numpy().tobytes())
    for label, which in ((2, 0), (0, 1)):
        pixels = [torch.frombuffer(bytearray(one), dtype=torch.uint8).view(3, 16, 8) for one in known[which]]
        assert found[label] <= {fed(one[None])[0].numpy().tobytes() for one in pixels}
        assert len(found[label]) > 12


def test_a_marked_network_answers_as_drawn_and_no_other_network_or_key_does(marked, made, perceptron):
    mark, done = marked
    found = mark.evidence(WhiteBox(done.model))
    assert (found.matches, found.queries, found.established) == (60, 180, True)
    assert mark.evidence(WhiteBox(perceptron[1])).gross_bits < 20
    assert made(Secret(bytes(32))).mark().evidence(WhiteBox(done.model)).gross_bits < 20


def test_a_margin_is_what_most_variants_of_a_class_lead_by(marked):
    mark, done = marked
    read = mark.read(WhiteBox(done.model))
    margins = mark.margins(done.model)
    assert len(margins) == 60
    assert float(margins.min()) >= 0.1
    assert read.scores[0].total(mark.message) == 60


def test_variants_that_nobody_asked_are_answered_alike(marked):
    """It is the class that was learned: others of its variants have its label far more often than chance says."""
    mark, done = marked
    hook = Varying(mark.carriers, torch.from_numpy(mark.message), 100, seed=9)
    inputs, labels = hook.extra(torch.zeros(400, 1, 8, 8), torch.zeros(400, dtype=torch.int64))
    with torch.no_grad():
        assert (done.model(inputs).argmax(1) == labels).float().mean() > 0.5


def test_it_outlives_fine_tuning_and_pruning(marked, digits):
    mark, done = marked
    for attack in (Prune(0.75), FineTune()):
        assert mark.evidence(WhiteBox(attack(done.model, digits, seed=0))).established


def test_the_literal_form_is_one_class(made):
    key = made(message="secret")
    assert len(set(key.mark().message.tolist())) == 1
    assert len(key.carriers.pictures) == 100
    assert "share one label" in key.scheme.objection()


def test_refusals():
    with pytest.raises(CapacityError, match="expected at most 18 queries"):
        _ = Key(Classes(triggers=6, queries=19), SECRET, WIDE).carriers
    for settings in ({"queries": 0}, {"shift": 0}, {"per_hundred": 0}, {"repeats": 101}, {"triggers": 0}):
        with pytest.raises(ValueError, match=r"^expected"):
            Classes(**settings)
