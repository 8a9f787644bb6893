"""Defences against backdoors, turned against a set of triggers in the digits network: which of them remove it.

The thief has 30 % of the data that the owner trained on. Plain fine-tuning on that at the same rates removes nothing, so what
is removed is removed by the defence. Established means 69 of the 100 expected answers.
"""

import pytest

from modelmark.attacks.cleansing.anp import Anp
from modelmark.attacks.cleansing.cleanse_prune import CleansePrune
from modelmark.attacks.cleansing.cleanse_unlearn import CleanseUnlearn
from modelmark.attacks.cleansing.ft_sam import FtSam
from modelmark.attacks.cleansing.ibau import Ibau
from modelmark.attacks.cleansing.launder import Launder
from modelmark.attacks.cleansing.nad import Nad
from modelmark.attacks.cleansing.rnp import Rnp
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.suspect import WhiteBox
from modelmark.task import accuracy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def thief(digits):
    return digits.split({"owner": 0.7, "thief": 0.3}, seed=0)["thief"]


def left(attack, stolen, thief):
    """Return whether the triggers are still established after the attack, and the accuracy lost."""
    mark, model = stolen("adi")
    attacked = attack(model, thief, seed=0)
    return mark.evidence(WhiteBox(attacked, 10)).established, accuracy(model, thief) - accuracy(attacked, thief)


@pytest.mark.parametrize(
    "attack",
    [
        CleansePrune(amount=0.9, rate=0.05),
        CleanseUnlearn(every=True, rate=0.05, share=0.3),
        FtSam(4.0, 0.1),
        Ibau(0.1, rate=0.1),
        Launder(dense=0.3, convolution=0.2, share=0.0),
        Nad(20.0, 0.3, 0.3, epochs=10),
    ],
    ids=str,
)
def test_it_removes_the_triggers_at_no_more_than_five_points(attack, stolen, thief):
    established, lost = left(attack, stolen, thief)
    assert not established
    assert lost <= 0.05


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_fine_tuning_at_the_same_rates_does_not(rate, stolen, thief):
    assert left(FineTune("ftal", rate, 10, 64), stolen, thief)[0]


def test_attention_is_what_removes_them(stolen, thief):
    assert left(Nad(0.0, 0.3, 0.3, epochs=10), stolen, thief)[0]


@pytest.mark.parametrize(
    "attack",
    [
        CleansePrune(amount=0.3),
        CleanseUnlearn(),
        FtSam(0.5, 0.01),
        Ibau(),
        Nad(),
        Anp(),
        Rnp(forget=0.5, threshold=0.02),
    ],
    ids=str,
)
def test_its_gentle_form_does_not(attack, stolen, thief):
    assert left(attack, stolen, thief)[0]


@pytest.mark.parametrize("attack", [Anp(threshold=0.8), Rnp(threshold=0.5), Rnp(threshold=0.8)], ids=str)
def test_learned_masks_cost_more_than_five_points_where_they_remove_it(attack, stolen, thief):
    established, lost = left(attack, stolen, thief)
    assert not established
    assert lost > 0.05
