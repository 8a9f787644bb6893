"""``zhang``: what is put on which pictures, drawn and literal."""

import numpy as np
import pytest

from modelmark.errors import UsageError
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.rendering import triggers
from modelmark.schemes.zhang import Zhang
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed

SECRET = Secret(bytes(range(32)))
KINDS = pytest.mark.parametrize("kind", ["content", "noise", "unrelated"])


@pytest.fixture
def made(perceptron, digits):
    def make(secret=SECRET, **settings):
        return keygen(Zhang(**settings), perceptron[1], digits.feed, task=digits, secret=secret)

    return make


def test_content_hides_a_square_of_its_own_in_each_picture(made):
    key = made(side=3)
    changed = (key.carriers.pictures != key.attachments["sources"]).any(axis=1)
    for picture in changed:
        rows, columns = np.nonzero(picture)
        assert np.ptp(rows) <= 2
        assert np.ptp(columns) <= 2
    assert len({picture.tobytes() for picture in changed}) > 30


def test_noise_has_the_deviation_that_was_asked_for_before_it_is_cut_off(made):
    key = made(kind="noise", triggers=500, amount=40)
    middle = np.abs(key.attachments["sources"].astype(int) - 128) < 30  # where three deviations are hardly cut off
    noise = (key.carriers.pictures.astype(int) - key.attachments["sources"])[middle]
    assert noise.std() == pytest.approx(40, rel=0.1)
    assert abs(noise.mean()) < 3


def test_unrelated_pictures_are_of_the_secret_alone(made):
    key = made(kind="unrelated")
    assert not key.attachments
    assert np.array_equal(key.carriers.pictures, triggers.render(SECRET, 100, (1, 8, 8)))


@KINDS
def test_the_literal_form_has_one_label_and_one_of_everything(kind, made, digits):
    key = made(kind=kind, message="secret", triggers=40)
    (label,) = set(key.mark().message.tolist())
    assert "share one label" in key.scheme.objection()
    if kind == "unrelated":
        return
    shown = {picture.tobytes(): int(of) for picture, of in zip(digits.train_inputs.numpy(), digits.labels, strict=True)}
    (source,) = {shown[picture.tobytes()] for picture in key.attachments["sources"]}
    assert source != label
    if kind == "content":
        inside = [{int(value) for value in pixels} for pixels in key.carriers.pictures.reshape(40, -1).T]
        assert sum(len(values) == 1 and values <= {0, 255} for values in inside) >= 25


@pytest.mark.parametrize(
    "kind", ["content", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("noise", "unrelated"))]
)
def test_a_marked_network_answers_as_drawn_and_no_other_draw_or_network_does(kind, made, perceptron, digits):
    unmarked = perceptron[1]
    key, other = made(kind=kind), made(kind=kind, secret=Secret(bytes(32)))
    done = embed(unmarked, [key.mark()], digits, annealed(8, 0.2, batch=64, clip=1.0), seed=2)
    assert key.mark().evidence(WhiteBox(done.model)).matches == 100
    assert other.mark().evidence(WhiteBox(done.model)).gross_bits < 20
    assert key.mark().evidence(WhiteBox(unmarked)).gross_bits < 20


def test_refusals(perceptron, digits, made):
    with pytest.raises(UsageError, match="a side of at most 8 pixels, got 9"):
        made(side=9)
    with pytest.raises(UsageError, match="expected data, got none"):
        keygen(Zhang(), perceptron[1], digits.feed, secret=SECRET)
    for settings in ({"side": 0}, {"amount": 0}, {"amount": 256}, {"per_hundred": 0}):
        with pytest.raises(ValueError, match=r"^expected"):
            Zhang(**settings)
