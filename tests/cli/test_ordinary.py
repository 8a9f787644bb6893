"""What carriers are hidden among: pictures of their own family where the claim says how it is made, and images of the judge's."""

import dataclasses

import numpy as np
import pytest

from modelmark.claim.papers.statement import Statement
from modelmark.cli.ordinary import pictures
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

KEY = Key(Adi(triggers=100), Secret(bytes(32)), PictureFeed((1, 8, 8), tuple("0123456789")))
RENDERED = Statement.of(KEY.statement)
OWN = dataclasses.replace(RENDERED, parameters=RENDERED.parameters | {"pictures": "own"})
NONCE = "ab" * 32


def test_they_are_rendered_as_the_carriers_are_and_are_none_of_them():
    """By mean, spread and smoothness decoys and carriers are one family; ordinary digits are not."""

    def look(images: np.ndarray) -> np.ndarray:
        values = images.astype(float)
        return np.array([values.mean(), values.std(), np.abs(np.diff(values, axis=3)).mean()])

    decoys, carriers, digits = (
        pictures(RENDERED, "", 1000, NONCE),
        KEY.carriers.pictures,
        pictures(OWN, "digits", 1000, NONCE),
    )
    assert decoys.shape == (1000, 1, 8, 8)
    assert not {one.tobytes() for one in decoys} & {one.tobytes() for one in carriers}
    assert len({one.tobytes() for one in decoys}) == 1000
    assert np.abs(look(decoys) / look(carriers) - 1).max() < 0.1
    assert np.abs(look(digits) / look(carriers) - 1).max() > 0.3


def test_the_same_nonce_gives_the_same_and_another_gives_others():
    both = pictures(RENDERED, "digits", 100, NONCE)
    assert len(both) == 200
    assert (both == pictures(RENDERED, "digits", 100, NONCE)).all()
    assert (both != pictures(RENDERED, "digits", 100, "cd" * 32)).any()
    rendered = {one.tobytes() for one in pictures(RENDERED, "", 100, NONCE)}
    places = [i for i, one in enumerate(both) if one.tobytes() in rendered]
    assert len(places) == 100
    assert 30 < sum(place < 100 for place in places) < 70  # the kinds are mixed


def test_what_cannot_be_had_is_said(tmp_path):
    assert len(pictures(RENDERED, "none", 100, NONCE)) == 0
    with pytest.raises(UsageError, match="ordinary images to hide the carriers among, got none"):
        pictures(OWN, "", 100, NONCE)
    with pytest.raises(UsageError, match="expected 5000 ordinary images in digits, got 1797"):
        pictures(OWN, "digits", 5000, NONCE)
    wide = dataclasses.replace(OWN, interface=dataclasses.replace(OWN.interface, input_shape=(1, 9, 9)))
    with pytest.raises(MismatchError, match="ordinary images of"):
        pictures(wide, "digits", 10, NONCE)
    with pytest.raises(CapacityError):
        pictures(RENDERED, "", 2**20, NONCE)
