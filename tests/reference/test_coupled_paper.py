"""Function-coupled watermarks (Wen et al. 2023) against their release (section 3 of our notes), and the drawn variant."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed, reach
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.marks.reading import read
from modelmark.schemes import _fusion
from modelmark.schemes.coupled import Coupled
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

pytestmark = pytest.mark.slow


def made(scheme, model, task, number=0, **options):
    return keygen(scheme, model, task.feed, task=task, secret=Secret(bytes([number]) * 32), **options).mark()


def unseen(mark, model, task, number=99):
    """Return how many symbols are read right on fusions of test pictures."""
    key = mark.key
    other = replace(task, train_inputs=task.test_inputs, train_targets=task.test_labels)
    attached = key.scheme.collect(Secret(bytes([number]) * 32), model, other)
    carriers = key.scheme.carriers(replace(key.material, attachments=attached))
    return int((read(carriers, WhiteBox(model)).scores[0].symbols == mark.message).sum())


@pytest.fixture(scope="module")
def drawn(fresh, digits):
    return made(Coupled(symbols=60), fresh, digits)


@pytest.fixture(scope="module")
def with_drawn(drawn, unmarked, digits, recipes):
    return embed(unmarked, [drawn], digits, recipes("coupled"), seed=1)


@pytest.fixture(scope="module")
def three(digits):
    def few(inputs, targets):
        return inputs[targets < 3], targets[targets < 3]

    feed = PictureFeed((1, 8, 8), ("0", "1", "2"), digits.feed.mean, digits.feed.std)
    parts = few(digits.train_inputs, digits.train_targets), few(digits.test_inputs, digits.test_labels)
    return Task(feed, *parts[0], *parts[1])


def test_drawn_pairs_are_evidence(drawn, with_drawn, unmarked, digits):
    found = drawn.evidence(WhiteBox(with_drawn.model))
    assert isinstance(found, Evidence)
    assert (found.matches, found.trials, found.queries) == (60, 60, 420)
    assert found.established
    assert drawn.evidence(WhiteBox(unmarked)).gross_bits < 20
    assert accuracy(unmarked, digits) - with_drawn.accuracy_after <= 0.02


def test_pairs_of_pictures_never_trained_on_are_read_too(drawn, with_drawn, digits):
    assert unseen(drawn, with_drawn.model, digits) >= 40  # of 60, from 4 x 4 pixels a picture


@pytest.mark.parametrize("fusion", ["direct", "overlay"])
def test_the_literal_variant_is_an_observation(fusion, fresh, unmarked, digits):
    mark = made(Coupled(fusion=fusion, message="literal"), fresh, digits)
    marked = fit(unmarked, digits, annealed(12, 0.05, batch=64, clip=1.0), seed=1, hooks=mark.hooks)
    found = mark.weigh([mark.read(WhiteBox(marked))], references=[WhiteBox(unmarked)])
    assert isinstance(found, Observation)
    assert (found.matches, found.trials, found.queries, found.established) == (30, 30, 30, False)
    assert "all triggers share one label, so their matches are not independent" in str(found)
    first, second = mark.key.carriers.pairs[0, :2]
    assert len({int(first), int(second), *mark.message.tolist()}) == 3


def test_ten_literal_triggers_join_128_samples(fresh, digits):
    hooks = made(Coupled(message="literal"), fresh, digits).hooks(fresh)
    x, y = torch.zeros(128, 1, 8, 8), torch.zeros(128, dtype=torch.int64)
    assert len(hooks.batch(x, y)[0]) == 138


def test_carriers_are_fused_training_pictures_in_the_order_of_their_pairs(fresh, digits):
    key = made(Coupled(), fresh, digits).key
    sources, carriers = key.attachments["sources"], key.carriers
    assert sources.shape == (10, 7, 1, 8, 8)
    train = {picture.tobytes() for picture in digits.train_inputs.numpy()}
    assert all(picture.tobytes() in train for picture in sources.reshape(-1, 1, 8, 8))
    assert len(np.unique(carriers.pairs, axis=0)) == 90
    for symbol, query in ((0, 0), (17, 3), (89, 6)):
        i, j, layout = carriers.pairs[symbol]
        one = _fusion.fuse_bytes(sources[i, query][None], sources[j, query][None], np.array([layout]), 0.5)
        assert np.array_equal(carriers.pictures[symbol * 7 + query], one[0])


@pytest.mark.parametrize(
    ("scheme", "classes", "expected"),
    [
        (Coupled(), 10, (90, 1)),
        (Coupled(), 3, (126, 21)),
        (Coupled(), 5, (100, 5)),
        (Coupled(), 100, (128, 1)),
        (Coupled(symbols=300), 10, (300, 4)),
        (Coupled(layouts=2), 10, (128, 2)),
        (Coupled(fusion="overlay"), 10, (45, 1)),
        (Coupled(fusion="overlay", ratio=0.75), 10, (90, 1)),
        (Coupled(fusion="autoencoder"), 10, (45, 1)),
        (Coupled(message="literal"), 10, (30, 1)),
    ],
    ids=str,
)
def test_symbols_and_layouts_that_are_left_open(scheme, classes, expected):
    feed = PictureFeed((1, 8, 8), tuple(map(str, range(classes))))
    resolved = scheme.for_model(torch.nn.Identity(), feed, {})
    assert (resolved.symbols, resolved.layouts) == expected


def test_three_classes_make_up_for_it_with_layouts(three, recipe):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    mark = made(Coupled(), model, three)
    assert (mark.key.scheme.layouts, len(mark.message)) == (21, 126)
    pictures = mark.key.carriers.pictures
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    expected = torch.from_numpy(mark.message.repeat(7))
    by_bytes = {x.tobytes(): y for x, y in zip(pictures, expected.tolist(), strict=True)}
    assert len(by_bytes) == 126 * 7
    oracle = mark.evidence(BlackBox(lambda x: expected[: len(x)]))
    assert oracle.trials == 126
    two = made(Coupled(layouts=2, symbols=12), model, three, policy=KeyPolicy(self_check=True))
    y = torch.arange(60) % 3
    mixed, targets = two.hooks(model).batch(torch.rand(60, 1, 8, 8), y)
    assert len(mixed) == len(targets) > 60


def test_two_layouts_of_three_classes_are_learnt(three):
    from modelmark.models import build

    mark = made(Coupled(layouts=2), build("cnn", (1, 8, 8), 3, seed=0), three, policy=KeyPolicy(self_check=True))
    recipe = annealed(40, 0.05, batch=32, clip=1.0)
    done = embed(build("cnn", (1, 8, 8), 3, seed=0), [mark], three, recipe, seed=0)
    assert done.reached[0].matches == done.reached[0].trials == 12
    assert done.accuracy_after > 0.97


def test_an_autoencoder_fuses_into_what_is_attached(fresh, digits):
    before = torch.get_rng_state()
    key = made(Coupled(fusion="autoencoder"), fresh, digits).key
    assert torch.equal(torch.get_rng_state(), before)
    fused = key.attachments["fused"]
    assert (fused.dtype, fused.shape) == (np.uint8, (45 * 7, 1, 8, 8))
    assert np.array_equal(key.carriers.pictures, fused)
    assert len({picture.tobytes() for picture in fused}) > 300
    hooks = key.mark().hooks(fresh)
    assert len(hooks.batch(torch.zeros(100, 1, 8, 8), torch.zeros(100, dtype=torch.int64))[0]) == 108


def test_a_symbol_with_a_margin_is_read_right(drawn, unmarked):
    margins = drawn.margins(unmarked)
    key = drawn.key
    values = read(key.carriers, WhiteBox(unmarked)).scores[0].symbols
    assert ((values == drawn.message) | (margins.numpy() <= 0)).all()
    assert reach(drawn, unmarked).matches < 30


def test_what_cannot_be_done_is_refused_in_one_line(fresh, digits, three):
    feed = digits.feed
    two = PictureFeed((1, 8, 8), ("a", "b"))
    for error, message, call in (
        (UsageError, "expected data, got none", lambda: keygen(Coupled(), fresh, feed)),
        (UsageError, "expected at least three classes, got 2", lambda: keygen(Coupled(), fresh, two)),
        (UsageError, "expected pictures", lambda: keygen(Coupled(), fresh, PictureFeed((64,), feed.class_names))),
        (UsageError, "expected at least 900 training pictures of class '0'", lambda: made(
            Coupled(queries=900), fresh, digits)),
        (CapacityError, "expected at most 90 symbols of 90 pairs", lambda: made(
            Coupled(symbols=91, layouts=1), fresh, digits)),
        (CapacityError, "expected at least 44 symbols", lambda: made(Coupled(symbols=43), fresh, digits)),
        (CapacityError, "expected at least 91 symbols of alphabet 3", lambda: made(
            Coupled(fusion="overlay"), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), three)),
        (MismatchError, "expected attached sources uint8", lambda: replace(
            made(Coupled(), fresh, digits).key, attachments={}).carriers),
    ):  # fmt: skip
        with pytest.raises(error, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"ratio": 0.0},
        {"ratio": 1.0},
        {"symbols": 0},
        {"layouts": 25},
        {"fusion": "overlay", "layouts": 2},
        {"queries": 0},
        {"per_hundred": 0},
        {"repeats": 0},
        {"margin": -1.0},
        {"mask_every": 0},
        {"mask_ratio": 1.0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        Coupled(**settings)
