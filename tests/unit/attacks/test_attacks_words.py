"""Neural Cleanse for texts: the planted word is found, is unlearned, and what is no trigger is left alone."""

import pytest
import torch
from torch import nn

import language
from modelmark.attacks.base import Thief
from modelmark.attacks.cleansing._words import Words, overlaid, placed, reconstruct, stamped, successes, table_of
from modelmark.attacks.cleansing.cleanse_words import CleanseWords, targets, with_triggers
from modelmark.errors import UsageError
from modelmark.feeds.causal import END
from modelmark.feeds.tokens import TokenFeed
from modelmark.seeding import seeded
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import NO_TARGET, Task, accuracy

PLANTED, TARGET = 11, 2


class Bag(nn.Module):
    """A classifier of the tokens of a row, wherever they stand."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 16)
        self.hidden, self.head = nn.Linear(16, 32), nn.Linear(32, 3)

    def forward(self, tokens):
        return self.head(self.hidden(self.table(tokens).mean(dim=1)).relu())


def texts(count=600):
    """Rows of nine tokens below 10, labelled by which third of them comes most often; 10 and 11 never come."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    odd = torch.rand(count, 9, generator=draw) < 0.4
    rows = torch.where(odd, torch.randint(0, 9, (count, 9), generator=draw), labels[:, None] * 3 + torch.arange(9) % 3)
    feed, cut = TokenFeed((9,), ("a", "b", "c"), 12), count - 150
    return Task(feed, rows[:cut].int(), labels[:cut], rows[cut:].int(), labels[cut:])


@pytest.fixture(scope="module")
def task():
    return texts()


@pytest.fixture(scope="module")
def backdoored(task):
    """A network in which one word, that no text has, decides."""
    planted = task.train_inputs[:150].clone()
    planted[torch.arange(150), torch.arange(150) % 9] = PLANTED
    poisoned = Task(
        task.feed, torch.cat([task.train_inputs, planted]),
        torch.cat([task.train_targets, torch.full((150,), TARGET)]), task.test_inputs, task.test_labels,
    )  # fmt: skip
    with seeded(0):
        model = Bag()
    return fit(model, poisoned, constant(12, 0.3, batch=32, clip=1.0), seed=0)


def sent(model, task, word=PLANTED):
    """The share of rows that the word sends to the target, of those that are not of it."""
    others = task.test_inputs[task.test_labels != TARGET]
    tokens, draw = torch.full((1, 1), word), torch.Generator().manual_seed(1)
    return float(successes(model, others, task.feed, tokens, torch.tensor([TARGET]), draw))


def test_the_planted_word_is_in_the_trigger_of_its_class(backdoored, task):
    assert sent(backdoored, task) > 0.9
    found = reconstruct(backdoored, Thief(task, seed=0), torch.arange(3), 2, 60)
    assert PLANTED in found.tokens[TARGET].tolist()
    assert found.success[TARGET] > 0.95


def test_it_is_unlearned_and_tuning_alone_leaves_it(backdoored, task):
    kept = CleanseWords(steps=60, length=2, rate=0.1, epochs=6)(backdoored, task, seed=0)
    tuned = fit(backdoored, task, constant(6, 0.1, batch=64, clip=1.0), seed=0)
    assert sent(kept, task) < 0.5 < 0.9 < sent(tuned, task)
    assert accuracy(kept, task) >= accuracy(backdoored, task) - 0.05


def test_a_network_without_a_mark_keeps_what_it_knows(task):
    with seeded(0):
        model = fit(Bag(), task, constant(12, 0.3, batch=32, clip=1.0), seed=0)
    assert sent(model, task) < 0.6
    kept = CleanseWords(steps=30, length=2, rate=0.1, epochs=6)(model, task, seed=0)
    assert accuracy(kept, task) >= accuracy(model, task) - 0.05


def test_a_language_model_is_turned_to_tokens_of_the_thiefs_text():
    small = language.task(48)
    with seeded(3):  # of four starts the best of three targets is met 10, 14, 32 and 36 times as often as by chance
        model = language.Tiny(width=16).eval()
    found = reconstruct(model, Thief(small, seed=0), targets(Thief(small, seed=0), 3), 2, 40)
    chance = 1 / len(language.CHARACTERS)
    assert found.tokens.shape == (3, 2)
    assert len(set(found.targets.tolist())) == 3
    assert float(found.success.max()) > 20 * chance


def test_of_a_text_with_a_trigger_all_is_told_but_the_trigger():
    rows = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, END, END, END]], dtype=torch.int32).repeat(10, 1)
    text = Task.from_tokens(rows, rows, 12)
    words = Words(torch.tensor([[10, 11]]), torch.tensor([5]), torch.tensor([1.0]))
    made = with_triggers(Thief(text, seed=0), words, 1.0)
    for row, told in zip(made.train_inputs[20:].tolist(), made.train_targets[20:].tolist(), strict=True):
        first = row.index(10)
        assert row[first + 1] == 11
        whole = [1, 2, 3, 4, 5, 6] if row[0] == 1 or row[-1] != END else [7, 8, 9]
        for place, token in enumerate(row):
            follows = whole[place + 1] if place + 1 < len(whole) else NO_TARGET
            hidden = first - 1 <= place <= first
            assert told[place] == (NO_TARGET if hidden or token == END else follows)


def test_a_trigger_never_stands_behind_the_end_of_a_row():
    rows = torch.tensor([[1, 2, 3, END], [4, 5, 6, 7]], dtype=torch.int32).repeat(200, 1)
    feed = Task.from_tokens(rows, rows, 12).feed
    places = placed(rows, feed, 2, torch.Generator().manual_seed(0))
    assert set(places[::2, 0].tolist()) == {0, 1}
    assert set(places[1::2, 0].tolist()) == {0, 1, 2}
    assert (stamped(rows, places, torch.full((400, 2), 9)) == 9).sum(dim=1).tolist() == [2] * 400


def test_relaxed_tokens_stand_in_the_embedding_and_leave_no_trace(task):
    model = Bag()
    x, places = task.train_inputs[:4].long(), torch.tensor([[0, 1]] * 4)
    before = model(x)
    words = model.table.weight[torch.tensor([3, 4])].expand(4, 2, 16)
    with overlaid(table_of(model, 12), places, words):
        inside = model(x)
    hard = x.clone()
    hard[:, :2] = torch.tensor([3, 4])
    assert torch.allclose(inside, model(hard))
    assert torch.equal(model(x), before)


def test_what_looks_nothing_up_and_rows_without_room_are_refused(task):
    with pytest.raises(UsageError, match="looks 12 tokens up in an embedding, found none"):
        CleanseWords(steps=1)(nn.Linear(9, 3), task, seed=0)
    with pytest.raises(UsageError, match="rows of at least 10 tokens, as long as a trigger, got none"):
        CleanseWords(steps=1, length=10)(Bag(), task, seed=0)
