"""A model served as an API, and how often an API is right: what evasions are given and judged by."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from modelmark.attacks.results import Answer
from modelmark.feeds.base import Feed
from modelmark.feeds.causal import END
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import NO_TARGET, Task


def served(model: nn.Module, feed: Feed | None = None) -> Answer:
    """Return the API of a model: the class of its largest output, on the device of the inputs, wherever the model is.

    Args:
        model: that is served.
        feed: of its inputs; of a causal one the API gives what ``results.Answer`` says of language models.
    """
    if feed is not None and feed.kind == "causal":
        return _completing(model, feed)

    def answer(inputs: Tensor) -> Tensor:
        return logits(model, inputs).argmax(dim=1).to(inputs.device)

    return answer


def _completing(model: nn.Module, feed: Feed) -> Answer:
    normalise = Normalise(feed)

    def answer(rows: Tensor) -> Tensor:
        last = (rows != END).sum(dim=1) - 1
        parts = [
            logits(model, normalise(part)).gather(2, at[:, None, None].expand(-1, feed.classes, 1))[:, :, 0]
            for part, at in zip(rows.split(_ROWS), last.to(next(model.parameters()).device).split(_ROWS), strict=True)
        ]
        return torch.cat(parts).log_softmax(dim=1).to(rows.device)

    return answer


def prompted(answer: Answer) -> Callable[[Sequence[Sequence[int]]], list[dict[int, float]]]:
    """Return an API of a language model as marks ask it: from prompts, each a list of tokens, to what may come next.

    Each answer maps tokens to logarithms of probabilities, without those that are never given; ``suspects.function.BlackBox``
    takes such a function.
    """

    def asked(prompts: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        longest = max(map(len, prompts))
        rows = [[*prompt, *[END] * (longest - len(prompt))] for prompt in prompts]
        given = answer(torch.tensor(rows, dtype=torch.int32)).tolist()
        return [{token: score for token, score in enumerate(scores) if score > -math.inf} for scores in given]

    return asked


_ROWS = 64
"""Of a language model that are asked at a time; each gives scores for every token at every place."""


def answered(answer: Answer, task: Task) -> float:
    """Return the share of test inputs that an API answers as labelled; of a causal task, of the last tokens of its rows."""
    if task.feed.kind == "causal":
        rows, right = whole(task)
        return float((answer(rows).argmax(dim=1) == right).double().mean())
    normalise = Normalise(task.feed)
    given = torch.cat([answer(normalise(inputs)) for inputs in task.test_inputs.split(1024)])
    return float((given == task.test_labels).double().mean())


def whole(task: Task) -> tuple[Tensor, Tensor]:
    """Return the test rows of a causal task, as the feed stores them, each up to its last target, and these targets ``(K,)``."""
    told = task.test_labels != NO_TARGET
    last = told.long().cumsum(dim=1).argmax(dim=1)
    places = torch.arange(told.shape[1], device=told.device)
    rows = task.test_inputs.masked_fill(places > last[:, None], END)
    return rows, task.test_labels.gather(1, last[:, None])[:, 0]
