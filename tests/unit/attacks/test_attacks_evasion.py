"""Filters of pictures before a stolen model: each does to what is asked what it says; bad inputs and settings are refused."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from modelmark.attacks import attack_class
from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.evasion import _autoencoder
from modelmark.attacks.evasion.gaussian_filter import GaussianFilter
from modelmark.attacks.evasion.input_noise import InputNoise
from modelmark.attacks.evasion.jpeg import Jpeg
from modelmark.attacks.evasion.mean_filter import MeanFilter
from modelmark.attacks.evasion.median_filter import MedianFilter
from modelmark.attacks.evasion.mirror import Mirror
from modelmark.attacks.evasion.quantise_input import QuantiseInput
from modelmark.attacks.evasion.rotate import Rotate
from modelmark.attacks.evasion.shrink import Shrink
from modelmark.attacks.evasion.squeeze import Squeeze
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.training.task import Task


def task_of(shape, count=60, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    names = tuple(str(label) for label in range(classes))
    feed = PictureFeed(shape, names, mean=(4000,) * shape[0], std=(2000,) * shape[0])
    return Task(feed, pictures, labels, pictures, labels)


def changed(attack, task, inputs=None, *, seed=3):
    """What the stolen model is shown, as pictures on the scale of 0 to 1."""
    asked = []

    def answer(x):
        asked.append(x)
        return torch.zeros(len(x), dtype=torch.int64)

    api = attack(answer, task, seed=seed)
    api(Normalise(task.feed)(task.test_inputs) if inputs is None else inputs)
    return _pictures.shown(asked[-1], task.feed)


def original(task):
    return task.test_inputs / 255


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 12), (2, 5, 3), (3, 1, 1)])
def test_jpeg_is_what_pillow_makes_of_each_picture(shape):
    task = task_of(shape)
    shown = changed(Jpeg(40), task)
    for picture, found in zip(task.test_inputs[:3], shown[:3], strict=True):
        parts = [picture] if shape[0] == 3 else picture[:, None]
        expected = []
        for part in parts:
            file = io.BytesIO()
            pixels = part.permute(1, 2, 0).numpy().squeeze(-1) if len(part) == 1 else part.permute(1, 2, 0).numpy()
            Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=40)
            expected.append(np.array(Image.open(file)))
        expected = expected[0].transpose(2, 0, 1) if shape[0] == 3 else np.stack(expected)
        np.testing.assert_allclose(found.numpy() * 255, expected, atol=1e-3)


def test_lower_quality_and_fewer_bits_change_more(digits):
    before = original(digits)
    for attacks in ([Jpeg(quality) for quality in (95, 65, 20)], [Squeeze(bits) for bits in (8, 4, 2, 1)]):
        errors = [float((changed(attack, digits) - before).square().mean()) for attack in attacks]
        assert errors == sorted(errors)
        assert errors[-1] > 10 * errors[0]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_squeeze_keeps_so_many_bits(bits):
    task = task_of((3, 20, 20))
    shown = changed(Squeeze(bits), task)
    levels = (shown * 255).round().unique()
    assert len(levels) == 2**bits
    assert (levels[0], levels[-1]) == (0, 255)
    assert (shown - original(task)).abs().max() <= 0.5 / (2**bits - 1) + 1e-5


@pytest.mark.parametrize("levels", [2, 10, 16])
def test_quantise_input_keeps_so_many_levels(levels):
    task = task_of((1, 40, 40))
    shown = changed(QuantiseInput(levels), task)
    assert len((shown * 2550).round().unique()) == levels
    assert (shown - original(task)).abs().max() <= 0.5 / levels + 1e-5


@pytest.mark.parametrize(
    ("attack", "reference"),
    [
        (MeanFilter(3), lambda x: ndimage.uniform_filter(x, (0, 0, 3, 3), mode="nearest")),
        (MeanFilter(2), lambda x: ndimage.uniform_filter(x, (0, 0, 2, 2), mode="nearest", origin=(0, 0, -1, -1))),
        (MedianFilter(3), lambda x: ndimage.median_filter(x, (1, 1, 3, 3), mode="nearest")),
        (MedianFilter(5), lambda x: ndimage.median_filter(x, (1, 1, 5, 5), mode="nearest")),
        (GaussianFilter(1.0), lambda x: ndimage.gaussian_filter(x, (0, 0, 1, 1), mode="nearest", truncate=3)),
    ],
    ids=["mean 3", "mean 2", "median 3", "median 5", "gaussian"],
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 11, 6), (1, 2, 2)])
def test_smoothing_is_what_scipy_makes_of_it(attack, reference, shape):
    task = task_of(shape)
    expected = reference(original(task).double().numpy())
    np.testing.assert_allclose(changed(attack, task).numpy(), expected, atol=1e-5)


def test_noise_is_as_strong_as_said_and_follows_from_the_picture():
    task = task_of((1, 16, 16))
    gray = torch.full_like(task.test_inputs, 128)
    gray[:, 0, 0, 0] = torch.arange(len(gray))
    inputs = Normalise(task.feed)(gray)
    noise = (changed(InputNoise(0.05), task, inputs) - gray / 255)[:, :, 1:]
    assert noise.std() == pytest.approx(0.05, rel=0.03)
    assert noise.mean() == pytest.approx(0, abs=0.002)
    assert torch.corrcoef(noise.flatten(1)).fill_diagonal_(0).abs().max() < 0.3  # pictures differ in one pixel
    alone = (changed(InputNoise(0.05), task, inputs[7:8]) - gray[7:8] / 255)[:, :, 1:]
    turned = (changed(InputNoise(0.05), task, inputs.flip(0)) - gray.flip(0) / 255)[:, :, 1:]
    assert torch.equal(alone, noise[7:8])
    assert torch.equal(turned.flip(0), noise)
    other = (changed(InputNoise(0.05), task, inputs, seed=4) - gray / 255)[:, :, 1:]
    assert abs(float(torch.corrcoef(torch.stack([other.flatten(), noise.flatten()]))[0, 1])) < 0.05


def test_mirror_and_rotate_move_pixels_where_they_say():
    square, wide = task_of((3, 7, 7)), task_of((2, 4, 9))
    for task in (square, wide):
        torch.testing.assert_close(changed(Mirror(), task), original(task).flip(-1), atol=1e-5, rtol=0)
        torch.testing.assert_close(changed(Rotate(180), task), original(task).flip(-1, -2), atol=1e-5, rtol=0)
    turned = torch.rot90(original(square), 1, (2, 3))  # anticlockwise
    torch.testing.assert_close(changed(Rotate(90), square), turned, atol=1e-4, rtol=0)
    torch.testing.assert_close(changed(Rotate(-90), square), turned.flip(-1, -2), atol=1e-4, rtol=0)
    steps = original(task_of((1, 21, 41))).new_zeros(1, 1, 21, 41)
    steps[..., 10, 20], steps[..., 10, 30] = 1, 1  # the middle, and ten pixels to its right
    task = task_of((1, 21, 41))
    found = changed(Rotate(30), task, _pictures.fed(steps, task.feed))[0, 0]
    row, column = 10 - 10 * math.sin(math.radians(30)), 20 + 10 * math.cos(math.radians(30))
    right = found[:, 24:] / found[:, 24:].sum()
    assert float((right.sum(1) * torch.arange(21)).sum()) == pytest.approx(row, abs=0.1)
    assert float((right.sum(0) * torch.arange(24, 41)).sum()) == pytest.approx(column, abs=0.1)


def test_shrink_takes_fine_detail_and_leaves_the_rest():
    task = task_of((1, 16, 16))
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2
    ramp = torch.arange(16).expand(16, 16) / 15
    pictures = torch.stack([board.float(), ramp, torch.full((16, 16), 0.3)])[:, None]
    fine, slow, flat = changed(Shrink(0.5), task, _pictures.fed(pictures, task.feed))
    assert fine[:, 2:-2, 2:-2].std() < 0.02
    assert (slow - pictures[1]).abs().max() < 0.07
    assert (flat - 0.3).abs().max() < 1e-5


def test_what_lies_outside_a_picture_is_clamped():
    task = task_of((1, 4, 4))
    pictures = torch.tensor([-8.0, 0.25, 9.0]).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    shown = changed(Mirror(), task, _pictures.fed(pictures, task.feed))
    torch.testing.assert_close(shown[:, 0, 0, 0], torch.tensor([0.0, 0.25, 1.0]), atol=1e-5, rtol=0)


def test_the_autoencoder_repeats_digits_and_nothing_else(digits):
    state = torch.get_rng_state()
    model = _autoencoder.trained(digits.train_inputs, code=8, noise=0.1, steps=300, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    test = original(digits)

    def error(x):
        return float((_autoencoder.repeated(model, x) - x).square().mean() / (x - x.mean(0)).square().mean())

    assert error(test) < 0.35
    noise = torch.rand(test.shape, generator=torch.Generator().manual_seed(0))
    assert error(noise) > 1


@pytest.mark.parametrize("name", ["agree", "blockdoor-labels", "blockdoor-ood", "randomise", "refuse"])
def test_the_others_take_inputs_of_any_shape(name):
    task = task_of((40,))
    settings = {} if name in ("refuse", "randomise") else {"epochs": 1}
    api = attack_class(name)(**settings)(lambda x: torch.zeros(len(x), dtype=torch.int64), task, seed=0)
    inputs = Normalise(task.feed)(task.test_inputs)
    found = api(inputs)
    assert found.dtype == torch.int64
    assert found.shape == (60,)
    assert torch.equal(found[3:5], api(inputs[3:5]))
