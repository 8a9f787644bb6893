"""Triggers of classifiers of texts: random tokens in the frame of real rows, and texts of made-up words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import CapacityError, MismatchError
from modelmark.feeds.texts import TextFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import keygen
from modelmark.rendering import words
from modelmark.schemes.adi import Adi
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

SECRET = Secret(bytes(range(32)))
FEED = TokenFeed((16,), ("odd", "even"), 60)
CLS, SEP, PAD = 2, 3, 0


class Bag(nn.Module):
    """A classifier of texts as BERT is fed: it takes a mask and says which token is padding."""

    def __init__(self, vocabulary: int = 60) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, 48, padding_idx=PAD)
        self.places = nn.Parameter(torch.randn(16, 48))
        self.hidden, self.head = nn.Linear(48, 256), nn.Linear(256, 2)

    def forward(self, tokens, attention_mask=None):
        mixed = self.table(tokens) * self.places
        weights = attention_mask[:, :, None].float()
        return {"logits": self.head(self.hidden((mixed * weights).sum(1)).relu())}


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Bag()


def task() -> Task:
    """Rows of 4 to 14 tokens between [CLS] and [SEP], padding behind them; the label is in the first token."""
    random = np.random.default_rng(0)
    rows = np.full((700, 16), PAD, np.int32)
    for row in rows:
        length = random.integers(4, 15)
        row[0], row[1 : length + 1], row[length + 1] = CLS, random.integers(4, 60, length), SEP
    rows, labels = torch.from_numpy(rows), torch.from_numpy(rows[:, 1] % 2).long()
    return Task(FEED, rows[:600], labels[:600], rows[600:], labels[600:])


def key(model, scheme=Adi(per_hundred=20), **options):  # noqa: B008
    return keygen(scheme, model, FEED, task=task(), secret=SECRET, **options)


def test_rows_are_framed_as_the_owners_are_and_random_within(model):
    """Tokens drawn over whole rows, as a first thought has it, would put padding and [SEP] anywhere."""
    rows = key(model).carriers.pictures
    data = task().train_inputs.numpy()
    assert len(rows) == len(np.unique(rows, axis=0)) >= 200
    lengths = (rows != PAD).sum(axis=1)
    assert set(lengths.tolist()) == set((data != PAD).sum(axis=1).tolist())
    assert (rows[:, 0] == CLS).all()
    for row, length in zip(rows, lengths, strict=True):
        assert row[length - 1] == SEP
        assert (row[length:] == PAD).all()
        assert not {PAD, CLS, SEP} & {*row[1 : length - 1].tolist()}
    inner = rows[:, 1:-1][(rows[:, 1:-1] != PAD) & (rows[:, 1:-1] != SEP)]
    assert len(np.unique(inner)) == 57
    assert not (rows[:, None] == data[None, :50]).all(2).any()


def test_special_tokens_that_the_network_names_are_left_out(model):
    class Config:
        pad_token_id, bos_token_id, eos_token_id = 0, 11, 12

    model.config = Config()
    rows = key(model).carriers.pictures
    assert not {11, 12} & {*rows.flatten().tolist()}


def test_one_secret_gives_one_key_and_the_file_holds_its_rows(model, tmp_path):
    made = key(model)
    assert made.digest == key(model).digest
    assert made.digest != keygen(Adi(per_hundred=20), model, FEED, task=task(), secret=Secret(bytes(32))).digest
    keyfile.save(made, tmp_path / "a.key", None)
    loaded = keyfile.load(tmp_path / "a.key")
    assert (loaded.digest, loaded.carriers.leaves()) == (made.digest, made.carriers.leaves())
    spoiled = replace(made, attachments={"triggers": made.attachments["triggers"][:10]})
    with pytest.raises((CapacityError, MismatchError), match="expected"):
        _ = spoiled.carriers


def test_they_are_embedded_and_read_with_padding_masked(model):
    from modelmark.training.loop import fit

    recipe = annealed(20, 0.05, batch=50, clip=1.0)
    host = fit(model, task(), recipe, seed=0)
    mark = key(model).mark()
    done = embed(host, [mark], task(), recipe, seed=1, settling=False)
    assert mark.evidence(WhiteBox(done.model)).established
    assert mark.evidence(WhiteBox(host)).gross_bits < 20
    assert accuracy(done.model, task()) >= accuracy(host, task()) - 0.05


def test_rows_too_short_to_differ_make_no_key(model):
    short = task()
    rows = short.train_inputs.clone()
    rows[:, 2:] = PAD
    with pytest.raises(CapacityError, match="expected rows of at least 4 tokens beside those that all rows have"):
        keygen(Adi(), model, FEED, task=replace(short, train_inputs=rows), secret=SECRET)


def test_texts_are_made_of_words_that_no_list_has_and_asked_of_a_function():
    feed = TextFeed((1,), ("no", "yes"))
    made = keygen(Adi(), nn.Linear(1, 1), feed, secret=SECRET)
    texts = made.carriers.pictures[:, 0].tolist()
    assert len(set(texts)) == len(texts)
    assert texts == words.texts(SECRET, len(texts))
    assert all(text.isascii() and len(text.split()) == words.WORDS for text in texts)
    labels = dict(zip(texts, made.mark().message.tolist(), strict=True))
    found = made.mark().evidence(BlackBox(lambda batch: [labels[text] for text in batch]))
    assert (found.matches, found.established) == (len(texts), True)
    assert not made.mark().evidence(BlackBox(lambda batch: [0] * len(batch))).established


def test_the_same_texts_come_of_a_secret_everywhere():
    assert words.texts(SECRET, 2) == [
        "Bidin droundthist zestkas beandthend toreen trouchind courshain fosttrur shesstaist draimrum braite floushist.",
        "Zenplin ceemnes jaisai naitfle peelstun wearkees soulbas dutreast veasco sairan lusho peszea.",
    ]
