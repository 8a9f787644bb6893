"""DeepSigns against its description: the terms, the margin, the threshold table, and what it does on small data."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from modelmark.errors import CapacityError, CapacityWarning, MismatchError, NotEmbeddedError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.marks.reading import read
from modelmark.schemes.adi import Adi
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox, select
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed

pytestmark = pytest.mark.slow

DEMO = DeepSigns(classes=1, bits=16, separation=0.01, norm=0.01, strength=0.01, margin=0.0, message="secret")


def make(scheme, model, task, *, secret=bytes(range(32))):
    return keygen(scheme, model, task.feed, task=task, secret=Secret(secret))


@pytest.fixture(scope="module")
def quick():
    return annealed(12, 0.05, batch=64, clip=1.0)


@pytest.mark.parametrize(
    ("classes", "keys", "level", "theta"),
    [
        (10, 20, "1e-4", 12), (10, 20, "1e-3", 13), (10, 20, "1e-2", 14), (10, 20, "0.1", 16), (10, 30, "1e-3", 21),
        (10, 30, "1e-4", 20), (10, 50, "1e-4", 36), (10, 100, "1e-4", 77), (100, 20, "1e-4", 17), (1000, 20, "1e-4", 18),
    ],
)  # fmt: skip
def test_the_threshold_table(classes, keys, level, theta):
    assert stats.mismatch_threshold(keys, classes, Fraction(level)) == theta


@pytest.mark.parametrize("batch", [32, 64, 128])
def test_the_terms_are_those_of_the_demo_whatever_the_batch(batch, unmarked, digits):
    """Sum over a batch of 32, cross-entropy summed over bits, unit norm, nearest other centre: written out by hand."""
    mark = make(replace(DEMO, classes=3), unmarked, digits).mark()
    hooks = mark.hooks(unmarked)
    x, y = digits.train_inputs[:batch].float() / 128 - 1, digits.train_targets[:batch]
    penalty = hooks.loss(torch.zeros(()), unmarked, x, y, unmarked(x)).item()
    centres, carrying = hooks.centres[0].detach(), torch.from_numpy(mark.key.carriers.classes)
    unmarked(x)
    found = hooks._taps[0].take().detach()
    pull = 32 / batch * 0.5 * (found - centres[y]).square().sum() / hooks.scale[0]
    assert hooks.scale[0] == pytest.approx(max(1.0, float(centres[carrying].square().sum(1).mean()) ** 0.25), rel=1e-4)
    projection = torch.from_numpy(mark.key.carriers.projections[0]).float() / 65536
    logit = centres[carrying] @ projection.T
    sign = 2 * torch.from_numpy(mark.message).float().reshape(logit.shape) - 1
    bits = torch.log1p(torch.exp(-(sign * logit).double())).sum()  # -ln of the sigmoid that the bit wants near 1
    norm = (1 - centres.norm(dim=1) ** 2).abs().sum()
    terms = []
    for label in y:
        distance = (centres[label] - centres).norm(dim=1) + one_hot(label, 10) * 1e9
        other = centres[distance.argmin()]
        squared = (centres[label] - other).square().sum()
        terms.append((centres[label] @ other) * squared - squared)
    expected = 0.01 * (pull + torch.stack(terms).mean() + norm) + 0.01 * bits
    assert penalty == pytest.approx(float(expected), rel=1e-4)


def test_the_message_moves_the_centres_alone(unmarked, digits):
    """The network follows through the pull: without it the message term has no gradient there."""
    mark = make(DeepSigns(centre=1e-12, strength=1.0), unmarked, digits).mark()
    hooks = mark.hooks(unmarked)
    x, y = digits.train_inputs[:32].float() / 128 - 1, digits.train_targets[:32]
    hooks.loss(torch.zeros(()), unmarked, x, y, unmarked(x)).backward()
    assert hooks.centres[0].grad.abs().max() > 0.01
    assert max(float(p.grad.abs().max()) for p in unmarked.parameters() if p.grad is not None) < 1e-6
    unmarked.zero_grad(set_to_none=True)


@pytest.fixture(scope="module")
def mark(fresh, digits):
    return make(DeepSigns(), fresh, digits).mark()


@pytest.fixture(scope="module")
def marked(mark, unmarked, digits, quick):
    return embed(unmarked, [mark], digits, quick, seed=1).model


def test_margins_are_live_class_means_and_hold_on_test_inputs(mark, marked, digits):
    margins = mark.margins(marked)
    assert margins.min() >= 2.5
    key = mark.key
    held = np.stack([digits.test_inputs[digits.test_labels == c][:20].numpy() for c in key.carriers.classes])
    (unseen,) = read(replace(key.carriers, inputs=held), WhiteBox(marked)).scores
    assert (unseen.symbols == mark.message).mean() >= 0.97  # four other secrets: 0.995, 0.995, 1 and 1


def test_unmarked_models_and_wrong_keys_read_coins(mark, marked, unmarked, digits):
    wrong = make(DeepSigns(), marked, digits, secret=bytes(32)).mark()
    for found in (mark.evidence(WhiteBox(unmarked)), wrong.evidence(WhiteBox(marked))):
        assert abs(found.matches - 100) < 3 * 0.5 * 200**0.5  # as of forty other keys out of forty
        assert found.gross_bits < 20


def test_answers_alone_are_not_enough(mark):
    with pytest.raises(MismatchError, match="expected access to the suspect's weights, got its answers alone"):
        mark.evidence(BlackBox(lambda x: np.zeros(len(x), int)))


def test_the_demo_is_an_observation(fresh, digits, recipe):
    demo = make(DEMO, fresh, digits).mark()
    found = demo.evidence(WhiteBox(embed(fresh, [demo], digits, recipe, seed=1).model))
    assert isinstance(found, Observation)
    assert (found.matches, found.trials) == (16, 16)


def test_a_thin_margin_is_not_embedded(fresh, digits):
    key = make(DeepSigns(strength=1e-4), fresh, digits).mark()
    with pytest.raises(NotEmbeddedError, match="deepsigns"):
        embed(fresh, [key], digits, annealed(3, 0.05, batch=64, clip=1.0), seed=1, rounds=1, settling=False)


def test_several_layers_and_a_mixture_to_start_from(fresh, digits, recipe):
    scheme = DeepSigns(layer="fc1,head", classes=6, bits=14, start="gmm", unit="errors", margin=4.0)
    several = make(scheme, fresh, digits).mark()
    assert several.key.scheme.width == (256, 512)
    assert len(several.message) == 2 * 6 * 14
    done = embed(fresh, [several], digits, recipe, seed=1)
    assert several.evidence(WhiteBox(done.model)).established
    assert float(several.margins(done.model).min()) >= 4.0


def test_other_marks_may_append_to_the_batch(mark, fresh, digits, recipe):
    """Only the data's own samples are pulled: the triggers of the other mark are where that mark wants them."""
    both = [make(Adi(), fresh, digits).mark(), mark]
    done = embed(fresh, both, digits, recipe, seed=2)
    assert all(one.evidence(WhiteBox(done.model)).established for one in both)


def test_what_does_not_fit_is_refused(fresh, digits):
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
    with pytest.raises(CapacityError, match="12 units"):
        make(DeepSigns(), narrow, digits)
    with pytest.raises(UsageError, match="got none"):
        keygen(DeepSigns(), fresh, digits.feed)
    with pytest.raises(UsageError, match="picture itself"):
        make(DeepSigns(layer="conv1"), fresh, digits)
    with pytest.raises(UsageError, match="10 classes"):
        make(DeepSigns(classes=11), fresh, digits)
    with pytest.raises(UsageError, match="none of that name"):
        make(DeepSigns(layer="fc9"), fresh, digits)
    kept = digits.train_targets != 3
    without = replace(digits, train_inputs=digits.train_inputs[kept], train_targets=digits.train_targets[kept])
    with pytest.raises(UsageError, match="class 3 has none"):
        make(DeepSigns(), fresh, without)
    with pytest.warns(CapacityWarning, match="half of them"):
        make(DeepSigns(bits=300), fresh, digits)


def test_dense_regions_are_rejected(unmarked, digits):
    """Candidates that are training pictures must be told from noise by the density of their features."""
    from modelmark.schemes._density import sparseness

    pool = np.concatenate(
        [digits.train_inputs[:200].numpy(), np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), np.uint8)]
    )
    share = sparseness(unmarked, digits, lambda part: pool[part], len(pool), Secret(bytes(32)))
    assert np.median(share[:200]) > 0.3
    assert np.mean(share[:200] < 0.01) < 0.05
    assert np.mean(share[200:] < 0.01) > 0.9


def test_dense_noise_is_no_key(unmarked, digits):
    with pytest.raises(CapacityError, match="rarely explored"):
        make(DeepSignsBlackBox(pool=1, share=1e-9), unmarked, digits)


def test_the_literal_key_is_selected_after_marking_and_says_so(unmarked, digits, quick):
    candidates = make(DeepSignsBlackBox(keys=200, pool=2, message="secret"), unmarked, digits)
    embedded = fit(unmarked, digits, quick, seed=1, hooks=candidates.mark().hooks)
    scheme = candidates.scheme
    before, after = (read(candidates.carriers, WhiteBox(model)).scores[0].symbols for model in (unmarked, embedded))
    chosen, attachments = select(scheme, candidates.attachments, candidates.mark().message, before, after, 20)
    selected = replace(candidates, scheme=chosen, attachments=attachments).mark()
    found, innocent = (selected.evidence(WhiteBox(model)) for model in (embedded, unmarked))
    assert isinstance(found, Observation)
    assert found.matches == 20
    assert "0 mismatches, by the paper's rule (below 13) accepted" in str(found)
    assert innocent.matches == 0  # by selection
    with pytest.raises(CapacityError, match="usable"):
        select(scheme, candidates.attachments, candidates.mark().message, before, before, 20)
    drawn = make(DeepSignsBlackBox(), unmarked, digits).mark()
    assert isinstance(drawn.evidence(WhiteBox(unmarked)), Evidence)
    with pytest.raises(UsageError, match="literal"):
        select(drawn.key.scheme, drawn.key.attachments, drawn.message, before, after, 20)
