"""Language models that tell the next token: how rows are stored, and a task of them in the loop of everybody."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import language
from modelmark import feeds
from modelmark.errors import MalformedError
from modelmark.feeds.causal import END, CausalFeed, lengths, padded
from modelmark.feeds.tensors import Normalise
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import NO_TARGET, Task, accuracy, perplexity

FEED = CausalFeed((4,), vocabulary=9, tokenizer="ab" * 32)


def test_a_feed_is_the_one_that_its_json_describes() -> None:
    assert feeds.from_json(FEED.to_json()) == FEED
    assert FEED.classes == 9
    assert FEED.public()["tokenizer"] == FEED.tokenizer


def test_rows_of_several_lengths_are_padded_and_committed() -> None:
    rows = padded([[1, 2, 3, 4], [5]])
    assert rows.tolist() == [[1, 2, 3, 4], [5, END, END, END]]
    assert lengths(rows).tolist() == [4, 1]
    assert np.array_equal(FEED.parse(FEED.leaves(rows)), rows)
    assert Normalise(FEED)(torch.from_numpy(rows)).tolist() == [[1, 2, 3, 4], [5, 0, 0, 0]]


@pytest.mark.parametrize("row", [[1, 2, 3, 9], [1, END, 2, 3], [END, END, END, END], [-2, 1, 1, 1]])
def test_a_row_that_is_none_is_refused(row: list[int]) -> None:
    rows = np.array([row], np.int32)
    with pytest.raises(ValueError, match="expected inputs of"):
        FEED.check(rows)
    with pytest.raises(MalformedError):
        FEED.parse(FEED.leaves(rows))


class Counting(nn.Module):
    """Scores of what comes after each token, ``(N, L, vocabulary)``, from that token alone."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, vocabulary)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"logits": self.table(tokens)}


def _task() -> Task:
    """Return rows that count up from a random start, modulo 9."""
    starts = torch.randint(0, 9, (256, 1), generator=torch.Generator().manual_seed(0))
    rows = ((starts + torch.arange(5)) % 9).int()
    rows[::2, 4] = END
    return Task.from_tokens(rows[:200], rows[200:], 9)


def test_a_task_asks_for_the_next_token_and_not_behind_the_end() -> None:
    task = _task()
    assert task.train_targets[0].tolist()[-1] == NO_TARGET
    assert torch.equal(task.train_inputs[1, 1:].long(), task.train_targets[1, :-1])


def test_the_loop_trains_a_language_model_and_it_is_measured() -> None:
    task, torch_state = _task(), torch.get_rng_state()
    torch.manual_seed(0)
    fresh = Counting(9)
    torch.set_rng_state(torch_state)
    trained = fit(fresh, task, constant(20, 1.0, batch=20, weight_decay=0.0), seed=0)
    assert accuracy(trained, task) == 1.0
    assert perplexity(trained, task) < 1.2 < perplexity(fresh, task)


def test_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary() -> None:
    model = Counting(9)
    nn.init.zeros_(model.table.weight)
    assert math.isclose(perplexity(model, _task()), 9)


def test_a_transformer_learns_the_text_of_the_tests() -> None:
    task = language.task()
    assert perplexity(language.trained(), task) < perplexity(language.fresh(), task) / 3
