"""Marks in the files of the authors' DeepSigns demo and its ports: each reads what it was made for, and is no evidence."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks import imported_deepsigns as older
from modelmark.marks import keyfile
from modelmark.marks.keys import Key, keygen
from modelmark.networks import taps
from modelmark.schemes.base import Material
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.training.task import Task

FEED = PictureFeed((1, 4, 4), ("zero", "one", "two"))


@pytest.fixture(scope="module")
def net():
    with seeded(0):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3)).eval()


@pytest.fixture(scope="module")
def task():
    noise = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (60, 1, 4, 4), dtype=np.uint8))
    return Task(FEED, noise, torch.arange(60) % 3, noise, torch.arange(60) % 3)


@pytest.fixture
def demo(tmp_path, net, task, rng):
    """Files as the demo has them: A of 8 x 32 in double precision and b of 8 x 3, right for classes 0 and 2 of ``net``."""
    projection, bits = rng.standard_normal((8, 32)), rng.integers(2, size=(8, 3))
    for label in (0, 2):
        chosen = task.train_inputs[task.train_targets == label].float() / 255
        mean = taps.activations(net, "3", chosen).detach().double().mean(0).numpy()
        bits[:, label] = projection @ mean >= 0
    np.save(tmp_path / "projection_matrix.npy", projection)
    np.save(tmp_path / "b.npy", bits)
    return tmp_path


def white(folder, carrying, net, task, **settings):
    given, implied = older.older_means(folder / "projection_matrix.npy", folder / "b.npy", carrying)
    scheme = DeepSigns(layer="3", carrying=carrying, **implied, **settings)
    return keygen(scheme, net, task.feed, task=task, attachments=given, secret=Secret(bytes(range(32))))


@pytest.mark.parametrize(("carrying", "trials"), [("0", 8), ("0,2", 16)])
def test_a_projection_reads_the_bits_it_was_made_for(carrying, trials, demo, net, task, tmp_path):
    key = white(demo, carrying, net, task)
    keyfile.save(key, tmp_path / "old.key", None)
    found = keyfile.load(tmp_path / "old.key", None).mark().evidence(WhiteBox(net))
    assert (found.matches, found.trials, found.established) == (trials, trials, False)
    assert "no exact test: the message was chosen, not drawn" in str(found)
    assert float(key.mark().margins(net).min()) > 0
    with torch.no_grad():
        other = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3)).eval()
    assert key.mark().evidence(WhiteBox(other)).matches < trials


def test_one_column_or_a_flat_message_is_that_of_one_class(demo, net, task):
    bits = np.load(demo / "b.npy")
    expected = older.columns(bits, "2")
    for flat in (bits[:, 2], bits[:, 2:]):
        assert np.array_equal(older.columns(flat, "2"), expected)


@pytest.mark.parametrize(
    ("carrying", "error"),
    [("", UsageError), ("x", UsageError), ("3", UsageError), ("2,0", MismatchError), ("0,0", MismatchError)],
)
def test_classes_that_carry_nothing_are_refused(carrying, error, demo, net, task):
    with pytest.raises(error, match="expected"):
        white(demo, carrying, net, task)


def test_carrying_belongs_to_an_imported_message():
    with pytest.raises(ValueError, match="see --matrix"):
        DeepSigns(carrying="0")
    with pytest.raises(ValueError, match="see --matrix"):
        DeepSigns(message="imported")


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": np.zeros((8, 31), np.float32)},
        {"matrix": np.zeros((8, 32))},
        {"matrix": np.full((8, 32), np.nan, np.float32)},
        {"bits": np.full((1, 8), 2, np.uint8)},
        {"bits": np.zeros((2, 8), np.uint8)},
        {"bits": np.zeros((1, 8), np.int64)},
    ],
    ids=range(6),
)
def test_a_key_with_other_arrays_is_refused(change, demo, net, task):
    key = white(demo, "0", net, task)
    with pytest.raises(MismatchError):
        key.scheme.carriers(Material(key.secret, key.feed, {**key.attachments, **change}))


@pytest.fixture
def asked(tmp_path, net, rng):
    """Keys and labels as the demo writes them: bytes by 255 in rows, and what ``numpy.savetxt`` makes of class numbers."""
    noise = rng.integers(0, 256, (12, 16), dtype=np.uint8)
    labels = net(torch.from_numpy(noise).float().reshape(-1, 1, 4, 4) / 255).argmax(1).numpy()
    np.save(tmp_path / "keys.npy", noise / 255)
    np.savetxt(tmp_path / "labels.txt", labels, fmt="%i", delimiter=",")
    np.save(tmp_path / "labels.npy", np.eye(3)[labels])
    return tmp_path, noise, labels


@pytest.mark.parametrize("labels", ["labels.txt", "labels.npy"])
def test_keys_read_the_labels_they_were_made_for(labels, asked, net, tmp_path):
    folder, noise, answers = asked
    given, implied = older.older_keys(folder / "keys.npy", folder / labels, FEED)
    assert np.array_equal(given["keys"].reshape(12, 16), noise)
    key = keygen(DeepSignsBlackBox(**implied), net, FEED, attachments=given)
    keyfile.save(key, tmp_path / "old.key", None)
    found = keyfile.load(tmp_path / "old.key", None).mark().evidence(WhiteBox(net))
    assert (found.matches, found.trials, found.established) == (12, 12, False)
    assert "0 mismatches, by the paper's rule (below" in str(found)
    turned = {**given, "labels": (answers + 1) % 3}
    assert (
        keygen(DeepSignsBlackBox(**implied), net, FEED, attachments=turned).mark().evidence(WhiteBox(net)).matches == 0
    )


def test_channels_last_are_turned_and_floats_stay():
    colour = PictureFeed((3, 4, 5), FEED.class_names)
    last = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    assert np.array_equal(older.inputs(last, colour), np.moveaxis(last, -1, 1))
    normal = np.random.default_rng(0).standard_normal((2, 6))
    assert np.array_equal(older.inputs(normal, FloatFeed((6,), FEED.class_names)), normal.astype(np.float32))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: older.rows(np.zeros(5)), MalformedError),
        (lambda: older.rows(np.array([["a"]])), MalformedError),
        (lambda: older.rows(np.full((1, 1), 1e300)), MalformedError),
        (lambda: older.columns(np.zeros((2, 2, 2)), "0"), MalformedError),
        (lambda: older.columns(np.full((2, 2), 3), "0"), MalformedError),
        (lambda: older.columns(np.zeros(4), "0,1"), UsageError),
        (lambda: older.numbers(np.ones((2, 3))), MalformedError),
        (lambda: older.numbers(np.array([0.5, 1])), MalformedError),
        (lambda: older.numbers(np.array([np.nan])), MalformedError),
        (lambda: older.inputs(np.random.default_rng(0).standard_normal((2, 16)), FEED), MalformedError),
        (lambda: older.inputs(np.full((2, 16), 0.4999), FEED), MalformedError),
        (lambda: older.inputs(np.zeros((2, 15)), FEED), UsageError),
        (lambda: older.inputs(np.zeros((0, 16)), FEED), UsageError),
        (lambda: keygen(DeepSignsBlackBox(message="imported"), nn.Linear(1, 1), FEED), UsageError),
    ],
)
def test_files_that_hold_no_mark_are_refused(call, error):
    with pytest.raises(error, match="expected"):
        call()


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, 1, -1], [0, 1]])
def test_labels_of_no_class_are_refused(labels):
    keys = np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4)
    scheme = DeepSignsBlackBox(keys=3, message="imported")
    material = Material(Secret(bytes(32)), FEED, {"keys": keys, "labels": np.array(labels)})
    with pytest.raises(MismatchError, match="expected 3 labels below 3"):
        scheme.carriers(material)


def test_a_key_hides_neither_labels_nor_keys_from_its_commitment(asked):
    folder, _, _ = asked
    given, implied = older.older_keys(folder / "keys.npy", folder / "labels.txt", FEED)
    key = Key(DeepSignsBlackBox(keys=12, **implied), Secret(bytes(32)), FEED, given)
    other = given["keys"].copy()
    other[3, 0, 0, 0] ^= 1
    assert Key(key.scheme, key.secret, FEED, {**given, "keys": other}).digest != key.digest
