"""BlockDoor's three wrappers: what each finds, what it answers then, and which marks that hides."""

from dataclasses import replace

import pytest
import torch

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.targeted import targeted
from modelmark.attacks.evasion.blockdoor_adversarial import BlockdoorAdversarial
from modelmark.attacks.evasion.blockdoor_labels import BlockdoorLabels
from modelmark.attacks.evasion.blockdoor_ood import BlockdoorOod
from modelmark.attacks.serving import answered, served
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.function import BlackBox

pytestmark = pytest.mark.usefixtures("once_trained")

MARKS = ("adi", "deepsigns-blackbox", "coupled", "null")


@pytest.fixture(scope="module")
def adversarial(digits):
    """The thief's wrapper around an API that can be exchanged afterwards: it is trained once for all tests."""
    holder = {}

    def through(api):
        holder["api"] = api
        return holder["wrapped"]

    def make(api):
        holder["api"] = api
        holder["wrapped"] = BlockdoorAdversarial()(lambda x: holder["api"](x), digits, seed=3)

    return make, through


def hidden(wrap, stolen, digits, names=MARKS):
    """The marks that are no longer established, and the largest loss of right answers."""
    removed, losses = set(), []
    for name in names:
        mark, model = stolen(name)
        api = served(model)
        filtered = wrap(api)
        losses.append(answered(api, digits) - answered(filtered, digits))
        if not mark.evidence(BlackBox(filtered)).established:
            removed.add(name)
    return removed, max(losses)


@pytest.mark.slow
def test_adversarial_pictures_are_repaired_in_part_and_noise_marks_hidden_but_not_null(
    adversarial, unmarked, stolen, digits
):
    make, through = adversarial
    api = served(unmarked)
    make(api)
    clean, labels = digits.test_inputs[:150], digits.test_labels[:150]
    spoilt = targeted([unmarked], clean, (labels + 1) % 10, Extent.of(digits), epsilon=48, steps=10)
    inputs = Normalise(digits.feed)(spoilt)
    assert (api(inputs) == labels).float().mean() < 0.3
    # 0.21 before, 0.42 after: a code this small repairs part of so strong a change
    assert (through(api)(inputs) == labels).float().mean() > (api(inputs) == labels).float().mean() + 0.1
    assert answered(through(api), digits) > answered(api, digits) - 0.02
    removed, lost = hidden(through, stolen, digits)
    # the detector has never seen pixels outside a picture's range and takes null patterns for normal
    assert removed == {"adi", "deepsigns-blackbox", "coupled"}
    assert lost < 0.02


@pytest.mark.slow
def test_out_of_distribution_triggers_are_refused(stolen, digits):
    removed, lost = hidden(lambda api: BlockdoorOod(epochs=8)(api, digits, seed=3), stolen, digits)
    assert removed == set(MARKS)
    assert lost <= 0.03


def test_the_ood_wrapper_refuses_noise_or_answers_it_at_random(unmarked, digits):
    api = served(unmarked)
    noise = _pictures.fed(torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0)), digits.feed)
    refusing = BlockdoorOod(epochs=8)(api, digits, seed=3)
    refused = refusing(noise)
    clean = refusing(Normalise(digits.feed)(digits.test_inputs))
    assert (clean == ABSTAIN).float().mean() < 0.03
    assert (refused == ABSTAIN).float().mean() > 0.3  # 0.44: features see white noise badly, pixels (refuse) all of it
    answer = BlockdoorOod("random", epochs=8)(api, digits, seed=3)
    drawn = answer(noise)
    assert torch.equal(answer(noise[10:20]), drawn[10:20])
    assert torch.equal((drawn == api(noise)) | (refused == ABSTAIN), torch.ones(300, dtype=torch.bool))
    assert (drawn == api(noise))[refused == ABSTAIN].float().mean() < 0.25


@pytest.mark.parametrize(("name", "epochs"), [("adi", 8), pytest.param("coupled", 12, marks=pytest.mark.slow)])
def test_wrong_labels_are_answered_at_random(name, epochs, stolen, digits):
    removed, lost = hidden(lambda api: BlockdoorLabels(epochs=epochs)(api, digits, seed=3), stolen, digits, (name,))
    assert removed == {name}
    assert lost <= 0.03


def test_the_label_wrapper_never_gives_the_answer_it_doubts(unmarked, digits):
    inputs, right = Normalise(digits.feed)(digits.test_inputs), served(unmarked)

    def wrong(x):
        return (right(x) + 1) % 10

    api = BlockdoorLabels(epochs=8, loss=1.0)(wrong, digits, seed=3)
    given = api(inputs)
    doubted = given != wrong(inputs)
    assert doubted.float().mean() > 0.9
    assert len(given[doubted].unique()) == 10
    assert torch.equal(api(inputs[40:50]), given[40:50])
    shy = BlockdoorLabels(epochs=8, loss=0.0)(right, digits, seed=3)
    assert answered(shy, digits) > answered(right, digits) - 0.01


def test_soft_targets_do_for_labels(unmarked, digits):
    few = digits.subset(200, seed=0)
    soft = replace(few, train_targets=torch.nn.functional.one_hot(few.train_targets, 10).float())
    api, inputs = served(unmarked), Normalise(digits.feed)(digits.test_inputs)
    for attack in (BlockdoorLabels(epochs=2), BlockdoorOod(epochs=2)):
        assert torch.equal(attack(api, soft, seed=3)(inputs), attack(api, few, seed=3)(inputs))
