"""What networks return is taken as scores, whatever it is wrapped in."""

from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from modelmark.errors import SuspectError
from modelmark.networks.outputs import scores

SCORES = torch.arange(6.0).reshape(2, 3)
INCEPTION = namedtuple("INCEPTION", ["logits", "aux_logits"])


@pytest.mark.parametrize(
    "output",
    [
        SCORES,
        SimpleNamespace(logits=SCORES, loss=None),
        {"logits": SCORES, "hidden": SCORES + 1},
        OrderedDict(out=SCORES, aux=SCORES + 1),
        {"anything": SCORES},
        (SCORES, SCORES + 1),
        [SCORES],
        INCEPTION(SCORES, SCORES + 1),
        ({"out": SCORES}, None),
    ],
    ids=["tensor", "object", "logits", "out", "only", "tuple", "list", "named", "nested"],
)
def test_scores_are_found(output: object) -> None:
    assert torch.equal(scores(output), SCORES)


def test_of_a_sequence_classes_come_second() -> None:
    found = scores(SimpleNamespace(logits=torch.arange(24.0).reshape(2, 3, 4)))
    assert found.shape == (2, 4, 3)
    assert found[1, 2, 0] == 14


@pytest.mark.parametrize("output", [SimpleNamespace(last_hidden_state=SCORES), {"a": SCORES, "b": SCORES}, (), None])
def test_what_has_no_scores_is_refused(output: object) -> None:
    with pytest.raises(SuspectError, match="expected scores from the network, got"):
        scores(output)
