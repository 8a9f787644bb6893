"""What attacks leave of marks, as ``OUTCOMES`` says."""

import pytest
from attack_cases import OUTCOMES

from modelmark.attacks.serving import answered, served
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import accuracy


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case.slow else (), id=str(case)) for case in OUTCOMES]
)
def test_marks_fall_and_stay_as_said(case, stolen, digits, thief):
    assert case.share in (0.3, 1.0)
    attack, data, lost = case.attack(), thief if case.share == 0.3 else digits, []
    for scheme in (*case.removes, *case.keeps):
        mark, model = stolen(scheme)
        assert mark.evidence(WhiteBox(model)).established
        if attack.kind == "evasion":
            api = attack(served(model), data, seed=3)
            found, kept = mark.evidence(BlackBox(api)), answered(api, data)
        else:
            attacked = attack(model, data, seed=0)
            found, kept = mark.evidence(WhiteBox(attacked)), accuracy(attacked, data)
        assert found.established is (scheme in case.keeps), f"{scheme}: {found}"
        lost.append(accuracy(model, data) - kept)
    least, most = case.lost
    assert least < max(lost) <= most
