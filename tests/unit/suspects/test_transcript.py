"""A record of answers as a suspect: what it holds, what nobody asked, and what no record can hold."""

import hashlib

import numpy as np
import pytest

from modelmark.errors import MismatchError
from modelmark.feeds.pictures import PictureFeed
from modelmark.suspects.base import ABSTAIN, MISSING, Ask, AskBeyond, Read, Sense
from modelmark.suspects.places import Place
from modelmark.suspects.transcript import Recorded

FACE = PictureFeed((1, 2, 2), ("a", "b", "c"))
PICTURES = np.arange(16, dtype=np.uint8).reshape(4, 1, 2, 2)
DIGESTS = [hashlib.sha256(leaf).hexdigest() for leaf in FACE.leaves(PICTURES)]


def test_answers_are_found_by_what_was_asked_in_any_order():
    suspect = Recorded({DIGESTS[2]: 2, DIGESTS[0]: 1, DIGESTS[3]: ABSTAIN})
    (labels,) = suspect.observe(Ask(FACE, PICTURES[::-1]))
    assert labels.tolist() == [ABSTAIN, 2, MISSING, 1]
    assert suspect.queries == 3


def test_one_changed_pixel_is_another_question():
    changed = PICTURES.copy()
    changed[1, 0, 1, 1] += 1
    suspect = Recorded(dict(zip(DIGESTS, (0, 1, 2, 0), strict=True)))
    assert suspect.observe(Ask(FACE, changed))[0].tolist() == [0, MISSING, 2, 0]


@pytest.mark.parametrize(
    "probe",
    [
        AskBeyond(FACE, PICTURES, np.zeros((4, 2, 2), np.int8), 2000),
        Read(Place("1", 4)),
        Sense(Place("1", 4), FACE, PICTURES),
    ],
    ids=["beyond", "read", "sense"],
)
def test_what_no_record_holds_is_refused(probe):
    suspect = Recorded(dict.fromkeys(DIGESTS, 0))
    assert type(probe) not in suspect.answers
    with pytest.raises(MismatchError, match="asked as they are"):
        suspect.observe(probe)
