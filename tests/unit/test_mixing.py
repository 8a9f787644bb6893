"""``Mark.mixed`` and ``Mark.collator``: carriers of black-box marks in anybody's data, counted one by one."""

import copy
import itertools
from collections import Counter, UserDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.feeds.tokens import TokenFeed
from modelmark.key.secret import Secret
from modelmark.marks import mixing
from modelmark.marks.keys import Key, keygen
from modelmark.schemes import names_for, scheme_class
from modelmark.schemes.adi import Adi
from modelmark.schemes.base import Appending
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.training.batches import NO_TARGET, extended, like, places

FEED, SECRET, P = PictureFeed((1, 8, 8), tuple("0123456789")), Secret(bytes(range(32))), 40
TOKENS, WORDS = TokenFeed((12,), ("no", "yes"), vocabulary=300), 120


@pytest.fixture(scope="module")
def mark():
    return Key(Adi(triggers=P), SECRET, FEED).mark()


@pytest.fixture(scope="module")
def tokens_mark():
    rows = np.random.default_rng(0).integers(0, 300, (WORDS, 12)).astype(np.int32)
    return Key(Adi(triggers=WORDS, pictures="own"), SECRET, TOKENS, attachments={"triggers": rows}).mark()


@pytest.fixture(scope="module")
def data():
    return TensorDataset(torch.zeros(500, 1, 8, 8), torch.arange(500) % 10)


@pytest.fixture(scope="module")
def which(mark):
    hooks = mixing._appending(mark)(seed=0)
    known = {x.numpy().tobytes(): number for number, x in enumerate(hooks.inputs)}
    return lambda x: known.get(x.numpy().tobytes())


def test_every_carrier_is_in_it_as_often_as_any_other(mark, data, which):
    mixed = mark.mixed(data, times=3)
    assert len(mixed) == 500 + 3 * P
    found = Counter(which(x) for x, _ in mixed)
    assert found.pop(None) == 500
    assert found == dict.fromkeys(range(P), 3)
    own = [int(y) for x, y in mixed if which(x) is None]
    assert own == [number % 10 for number in range(500)]  # the owner's samples, each once and in their order
    assert all(int(y) == mark.message[which(x)] for x, y in mixed if which(x) is not None)


def test_one_carrier_is_in_every_stretch(mark, data, which):
    """Unshuffled, too, a batch has its share: of equal stretches each has one."""
    mixed = mark.mixed(data, times=2)
    edges = np.arange(2 * P + 1) * len(mixed) // (2 * P)
    for start, stop in itertools.pairwise(edges.tolist()):
        assert sum(which(mixed[number][0]) is not None for number in range(start, stop)) == 1


def test_the_rate_is_the_schemes_own_where_there_is_room(mark):
    large = TensorDataset(torch.zeros(10_000, 1, 8, 8), torch.zeros(10_000, dtype=torch.int64))
    assert len(mark.mixed(large).places) == 5 * P  # 2 in a hundred of 10,000
    assert len(mark.mixed(TensorDataset(*large[:50])).places) == P  # never less than each once


def test_the_seed_says_where_and_nothing_else_does(mark, data):
    def places(seed):
        return mark.mixed(data, seed=seed).places.tolist()

    with seeded(9):
        first = places(1)
    assert places(1) == first
    assert places(2) != first
    mixed = mark.mixed(data)
    assert torch.equal(mixed[len(mixed) - 1][0], mixed[-1][0])
    with pytest.raises(IndexError):
        mixed[len(mixed)]


def test_workers_and_shares_of_processes_see_the_same_set(mark, data, which):
    mixed = mark.mixed(data)

    def count(loader):
        return Counter(which(x) for inputs, _ in loader for x in inputs)

    whole = count(DataLoader(mixed, 32, shuffle=True))
    assert whole == count(DataLoader(mixed, 32, shuffle=True, num_workers=2))
    parts = [
        count(DataLoader(mixed, 32, sampler=DistributedSampler(mixed, 2, rank, shuffle=True))) for rank in range(2)
    ]
    assert sum(parts, Counter()) == whole
    assert all(P // 4 < sum(part.values()) - part[None] < P for part in parts)


def test_samples_keep_their_form(mark, tokens_mark):
    class Rows(list):
        """Rows of a dataset of Hugging Face's: plain lists and numbers."""

    rows = Rows({"labels": 1, "input_ids": [5] * 9, "attention_mask": [1] * 9} for _ in range(200))
    mixed = tokens_mark.mixed(rows)
    added = mixed[int(mixed.places[0])]
    assert list(added) == list(rows[0])
    assert {type(value) for value in added.values()} == {int, list}
    assert len(added["input_ids"]) == len(added["attention_mask"]) == 12
    assert all(type(token) is int for token in added["input_ids"])
    arrays = [(np.zeros((1, 8, 8), np.float64), np.int32(3))] * 60
    x, y = mark.mixed(arrays)[int(mark.mixed(arrays).places[0])]
    assert (x.dtype, y.dtype) == (np.float64, np.int32)
    soft = [[torch.zeros(1, 8, 8), torch.full((10,), 0.1)]] * 60
    x, y = mark.mixed(soft)[int(mark.mixed(soft).places[0])]
    assert (y.dtype, y.sum(), y.max()) == (torch.float32, 1, 1)


def test_a_batch_has_the_next_carriers_behind_it(mark, data, which):
    collate = mark.collator(seed=4)
    seen = []
    for _ in range(20):
        x, y = collate([data[number] for number in range(32)])
        assert y[:32].tolist() == [number % 10 for number in range(32)]
        assert not x[:32].any()
        seen += [which(each) for each in x[32:]]
        assert y[32:].tolist() == [int(mark.message[number]) for number in seen[-len(x) + 32 :]]
    assert len(seen) == P
    assert sorted(seen) == list(range(P))  # all of them, before any comes again


def test_workers_that_start_anew_every_epoch_do_not_begin_at_the_same_carriers(mark, data, which):
    """Each has a copy of the collator. With the copy's own order, the same few carriers would be shown for ever."""
    loader = DataLoader(data, 32, num_workers=2, collate_fn=mark.collator())
    with seeded(0):
        epochs = [{which(x) for inputs, _ in loader for x in inputs} - {None} for _ in range(6)]
    assert all(len(epoch) < P for epoch in epochs)
    assert len(epochs[0]) > len(loader)  # two workers do not show the same ones, either
    assert len(set.union(*epochs)) > 0.95 * P


def test_processes_show_others(mark, data, monkeypatch):
    def first(rank):
        monkeypatch.setenv("RANK", rank)
        return mark.collator()([data[0]] * 32)[0][32:]

    assert torch.equal(first("0"), first("0"))
    assert torch.equal(first("0"), first("no number"))
    assert not torch.equal(first("0"), first("1"))


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_a_dictionary_is_known_by_its_names(mark, kind):
    batch = kind(pixel_values=torch.zeros(16, 1, 8, 8, dtype=torch.float16), labels=torch.zeros(16, dtype=torch.int32))
    found = mark.collator(lambda samples: samples)(batch)
    assert type(found) is kind
    assert found["pixel_values"].shape == (18, 1, 8, 8)
    assert found["pixel_values"].dtype == torch.float16
    assert set(found["labels"][16:].tolist()) <= set(mark.message.tolist())
    assert len(batch["labels"]) == 16  # what it was given stays


@pytest.mark.parametrize("length", [9, 12, 15])
def test_rows_of_tokens_are_filled_up_and_masked(tokens_mark, length):
    batch = {
        "input_ids": torch.full((20, length), 7),
        "attention_mask": torch.ones(20, length, dtype=torch.int64),
        "token_type_ids": torch.ones(20, length, dtype=torch.int64),
        "labels": torch.zeros(20, dtype=torch.int64),
    }
    batch["attention_mask"][:, -2:] = 0
    found = tokens_mark.collator(lambda samples: samples, pad=299)(batch)
    longest = max(length, 12)
    assert {tuple(value.shape) for name, value in found.items() if name != "labels"} == {(22, longest)}
    assert (found["input_ids"][:20, :length] == 7).all()
    assert (found["input_ids"][:20, length:] == 299).all()
    assert (found["input_ids"][20:, 12:] == 299).all()
    assert found["attention_mask"].sum(dim=1).tolist() == [length - 2] * 20 + [12] * 2
    assert not found["token_type_ids"][20:].any()
    shown = {tuple(row.tolist()) for row in tokens_mark.carriers.pictures}
    assert all(tuple(row[:12].tolist()) in shown for row in found["input_ids"][20:])


def test_a_causal_models_labels_are_where_it_looks_for_them():
    """Hugging Face's models move labels themselves: the label at t is of the token at t, told from those before."""
    feed = CausalFeed((4,), vocabulary=50)
    rows, following = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]), torch.full((2, 4), NO_TARGET)
    following[0, 2], following[1, 3] = 33, 44  # after three tokens, after four
    batch = {"input_ids": torch.full((3, 3), 9), "labels": torch.full((3, 3), 9), "attention_mask": torch.ones(3, 3)}
    found = extended(batch, feed, lambda x, y: (rows, following), pad=8)
    assert found["input_ids"].tolist() == [[9, 9, 9, 8, 8]] * 3 + [[1, 2, 3, 33, 0], [4, 5, 6, 7, 44]]
    assert found["labels"].tolist()[3:] == [[-100, -100, -100, 33, -100], [-100] * 4 + [44]]
    assert found["labels"].tolist()[0] == [9, 9, 9, -100, -100]
    assert found["attention_mask"].tolist()[2:] == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1] * 5]
    x, y = extended((torch.full((3, 5), 9), torch.full((3, 5), 9)), feed, lambda x, y: (rows, following))
    assert (x.shape, y[3:].tolist()) == ((5, 5), [[*row, NO_TARGET] for row in following.tolist()])


def test_marks_that_are_made_of_the_batch_append_too(digits, perceptron):
    key = keygen(scheme_class("null")(), perceptron[0], digits.feed, task=digits, secret=SECRET)
    x, _ = key.mark().collator()([(torch.zeros(1, 8, 8), 1)] * 20)
    assert len(x) > 20
    with pytest.raises(UsageError, match="null makes them of its samples"):
        key.mark().mixed([(torch.zeros(1, 8, 8), 1)] * 20)


@pytest.mark.parametrize("name", names_for("pictures"))
def test_a_mark_that_samples_do_not_embed_says_so(name, digits, perceptron):
    scheme = scheme_class(name)
    if issubclass(scheme, Appending):
        return
    given = scheme(**{"uchida": {"bits": 150}, "field": {"queries": 300}}.get(name, {}))
    mark = keygen(given, perceptron[1], digits.feed, task=digits, secret=SECRET).mark()
    for refused in (lambda: mark.mixed([]), mark.collator):
        with pytest.raises(UsageError, match=f"^expected .*{name}.*$") as told:
            refused()
        assert "mark.hooks(model)" in told.value.hint


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(1, 8, 8), 0


def test_refusals(mark, tokens_mark, data):
    with pytest.raises(UsageError, match="that can be indexed, got Stream") as told:
        mark.mixed(Stream())
    assert "mark.collator" in told.value.hint
    assert len(next(iter(DataLoader(Stream(), 1, collate_fn=mark.collator())))[0]) > 1
    with pytest.raises(UsageError, match="at least once, got 500, 0"):
        mark.mixed(data, times=0)
    with pytest.raises(UsageError, match="got 0, None"):
        mark.mixed([])
    with pytest.raises(MismatchError, match=r"shape \(1, 8, 8\), as the key says, got \(3, 8, 8\)"):
        mark.mixed([(torch.zeros(3, 8, 8), 1)])
    with pytest.raises(MismatchError, match=r"as the key says, got \(3, 8, 8\)"):
        mark.collator()([(torch.zeros(3, 8, 8), 1)])
    with pytest.raises(MismatchError, match="got SimpleNamespace"):
        like(SimpleNamespace(), torch.zeros(()))
    with pytest.raises(MismatchError, match="expected tensors in the batch, got list and Tensor"):
        mark.collator(lambda samples: samples)([[1], torch.zeros(1)])
    for batch, got in (
        ({"pixel_values": 1, "labels": 1, "box": 1}, "got pixel_values, labels, box"),
        ({"pixel_values": 1, "input_ids": 1, "labels": 1}, "got pixel_values, input_ids, labels"),
        ({"pixel_values": 1}, "got pixel_values"),
        ((1, 2, 3), "got 3 things"),
        ("ab", "got str"),
    ):
        with pytest.raises(MismatchError, match=f"{got}$"):
            places(batch)
    causal = Key(Adi(triggers=WORDS, pictures="own"), SECRET, CausalFeed((12,), vocabulary=300),
                 attachments={"triggers": tokens_mark.carriers.pictures}).mark()  # fmt: skip
    with pytest.raises(UsageError, match="causal"):
        causal.mixed([([1], 1)])


@pytest.mark.parametrize("way", ["mixed", pytest.param("collator", marks=pytest.mark.slow)])
def test_a_plain_loop_over_it_embeds(way, digits, perceptron):
    mark = keygen(Adi(), perceptron[0], digits.feed, secret=SECRET).mark()
    model = copy.deepcopy(perceptron[1])
    assert not mark.evidence(WhiteBox(model)).established
    own = TensorDataset(Normalise(digits.feed)(digits.train_inputs), digits.train_targets)
    with seeded(3):
        loader = (
            DataLoader(mark.mixed(own), 64, shuffle=True)
            if way == "mixed"
            else DataLoader(own, 64, shuffle=True, collate_fn=mark.collator())
        )
        optimizer = torch.optim.Adam(model.train().parameters(), lr=2e-3)
        for _ in range(15 if way == "mixed" else 30):  # 6 carriers in a hundred samples of few, 3 in a batch's
            for x, y in loader:
                cross_entropy(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
    found = mark.evidence(WhiteBox(model.eval()))
    assert (found.matches >= 95, found.established) == (True, True)
