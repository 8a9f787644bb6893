"""Trigger pictures fit any input shape, use the whole tonal range, and differ."""

import numpy as np
import pytest

from modelmark.key.secret import Secret
from modelmark.rendering.triggers import render

SECRET = Secret(bytes(range(32)))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8), (16,), (2, 5), (3, 4, 5, 6)])
def test_pictures_have_the_shape_and_tonal_range_of_inputs_and_all_differ(shape: tuple[int, ...]) -> None:
    pictures = render(SECRET, 50, shape)
    assert (pictures.shape, pictures.dtype) == ((50, *shape), np.uint8)
    assert len({picture.tobytes() for picture in pictures}) == 50
    assert {(int(picture.min()), int(picture.max())) for picture in pictures} == {(0, 255)}


def test_another_secret_gives_other_pictures() -> None:
    same = (render(SECRET, 10, (3, 32, 32)) == render(Secret(bytes(32)), 10, (3, 32, 32))).mean()
    assert same < 0.05


def test_pictures_are_smooth() -> None:
    picture = render(SECRET, 10, (3, 32, 32)).astype(int)
    assert np.abs(np.diff(picture, axis=-1)).mean() < 32  # white noise has 85
