"""Feeds: what is stored, committed and asked; marks in models of floats, tokens and texts, through a key file."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark import feeds
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed, of_pictures
from modelmark.feeds.tensors import Normalise
from modelmark.feeds.texts import TextFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.schemes.adi import Adi
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

NAMES = ("no", "yes", "both")
FLOATS = FloatFeed((12,), NAMES)
TOKENS = TokenFeed((10,), NAMES, 50)
TEXTS = TextFeed((1,), NAMES)
PICTURES = PictureFeed((1, 4, 4), NAMES, (1307,), (3081,))


@pytest.mark.parametrize("feed", [FLOATS, TOKENS, TEXTS, PICTURES], ids=lambda feed: feed.kind)
def test_inputs_travel_as_bytes_and_feeds_as_json(feed):
    inputs = feed.example(5)
    feed.check(inputs)
    leaves = feed.leaves(inputs)
    assert len(set(leaves)) == 5
    assert np.array_equal(feed.parse(leaves), inputs)
    assert feeds.from_json(feed.to_json()) == feed
    assert feed.public()["classes"] == 3
    with pytest.raises(MalformedError, match="as carriers"):
        feed.parse([b"something else"])
    with pytest.raises(ValueError, match="expected inputs"):
        feed.check(np.zeros((2, 3), np.float64))


def test_numbers_that_no_input_holds_are_refused():
    leaf = FLOATS.leaves(np.full((1, 12), np.nan, np.float32))
    with pytest.raises(MalformedError, match="finite numbers"):
        FLOATS.parse(leaf)
    leaf = TokenFeed((10,), NAMES, 60).leaves(np.full((1, 10), 55, np.int32))
    with pytest.raises(MalformedError, match="tokens below 50"):
        TOKENS.parse(leaf)
    with pytest.raises(ValueError, match="tokens below 50"):
        TOKENS.check(np.full((1, 10), 50, np.int32))
    with pytest.raises(UsageError, match="got one of tokens"):
        of_pictures(TOKENS)
    with pytest.raises(UsageError, match="inputs that a network takes"):
        Normalise(TEXTS)


def task_of(feed):
    rng = np.random.default_rng(0)
    if feed.kind == "tokens":
        inputs = rng.integers(0, 50, (600, 10)).astype(np.int32)
        labels = (inputs < 25).sum(axis=1) // 4
    else:
        inputs = rng.normal(size=(600, 12)).astype(np.float32)
        labels = np.digitize(inputs[:, 0], [-0.5, 0.5])
    x, y = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))
    return Task(feed, x[:500], y[:500], x[500:], y[500:])


class Bag(nn.Module):
    """The mean of embedded tokens, and a perceptron over it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 48)
        self.hidden = nn.Linear(48, 400)
        self.head = nn.Linear(400, 3)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(self.embed(x).mean(dim=1))))


def network(feed):
    torch.manual_seed(0)
    if feed.kind == "tokens":
        return Bag()
    return nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 400), nn.ReLU(), nn.Linear(400, 3))


@pytest.mark.parametrize(
    ("feed", "scheme"),
    [
        (FLOATS, "uchida"),
        pytest.param(FLOATS, "deepsigns", marks=pytest.mark.slow),
        (FLOATS, "adi"),
        (TOKENS, "uchida"),
        pytest.param(TOKENS, "adi", marks=pytest.mark.slow),  # every day on floats, and words in test_trigger_words.py
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_mark_goes_in_and_is_read_through_a_key_file(feed, scheme, tmp_path):
    task, model = task_of(feed), network(feed)
    rng = np.random.default_rng(1)
    own = rng.integers(0, 50, (120, 10)).astype(np.int32)
    triggers = own if feed.kind == "tokens" else rng.normal(size=(120, 12)).astype(np.float32)
    layer = "hidden" if feed.kind == "tokens" else "2"
    made, given = {
        "uchida": (Uchida(layer=layer, bits=12, strength=0.1), {}),
        "deepsigns": (DeepSigns(bits=8, inputs=10, margin=0.5), {}),
        "adi": (Adi(pictures="own", per_hundred=20), {"triggers": triggers}),
    }[scheme]
    key = keygen(made, model, feed, task=task, attachments=given, policy=KeyPolicy(self_check=scheme != "adi"))
    keyfile.save(key, str(tmp_path / "k"), None)
    loaded = keyfile.load(tmp_path / "k")
    assert loaded.digest == key.digest
    assert key.statement["v"] == 2
    assert key.statement["interface"]["kind"] == feed.kind
    mark = loaded.mark()
    done = embed(
        model, [mark], task, annealed(40 if scheme == "adi" else 20, 0.05, batch=50, clip=1.0), seed=0, settling=False
    )
    found = mark.evidence(WhiteBox(done.model))
    assert found.matches == found.trials
    assert mark.evidence(WhiteBox(model)).gross_bits < 20


def test_texts_are_asked_of_a_function(tmp_path):
    texts = np.array([[f"sentence {number}"] for number in range(100)], object)
    key = keygen(
        Adi(pictures="own"),
        nn.Linear(1, 1),
        TEXTS,
        attachments={"triggers": TEXTS.packed(texts)},
        policy=KeyPolicy(self_check=True),
    )
    keyfile.save(key, tmp_path / "k", None)
    mark = keyfile.load(tmp_path / "k").mark()
    labels = dict(zip(texts[:, 0], mark.message.tolist(), strict=True))
    assert mark.evidence(BlackBox(lambda batch: [labels[text] for text in batch])).matches == 100
    assert mark.evidence(BlackBox(lambda batch: [0] * len(batch))).matches < 60
