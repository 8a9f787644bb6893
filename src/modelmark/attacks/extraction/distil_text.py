"""Distillation on generated text: a new language model learns from what the stolen one writes."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.feeds import CAUSAL
from modelmark.attacks._tools.tokens import texts, told
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Count, Positive, Within, sweep
from modelmark.attacks.serving import served
from modelmark.feeds.causal import END

_PART = 256


class DistilText(Extraction, family="distillation", feeds=CAUSAL):
    """New weights, trained on text that the stolen model writes behind beginnings of the thief's rows.

    Source: Kim and Rush 2016, arXiv 1606.07947; sequence-level knowledge distillation; prompted and sampled as in Taori et al.
    2023, Stanford Alpaca.
    """

    strengths = sweep(rows=(500, 1000, 2000, 5000, 20_000))

    rows: Annotated[Count, "that are written"] = 2000
    prompt: Annotated[Count, "tokens of the thief's that each begins with; at most half of it"] = 4
    temperature: Annotated[Positive, "of the sampling"] = 1.0
    own: Annotated[float, Within(0, 10), "rows of the thief's own beside each that was written"] = 0.0
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student, which has seen no weight and no score of the stolen model."""
        own = texts(thief.task)
        begun = own[torch.arange(self.rows, device=own.device) % len(own)][:, : min(self.prompt, own.shape[1] // 2)]
        rows = written(stolen, begun, thief, length=own.shape[1], temperature=self.temperature)
        more = own[: round(self.own * self.rows)]
        task = told(thief.task, torch.cat([rows, more]))
        return retrained(stolen, thief, task=task, epochs=self.epochs)


def written(model: nn.Module, begun: Tensor, thief: Thief, *, length: int, temperature: float) -> Tensor:
    """Return rows that a model writes, int32 ``(N, length)``, sampled at a temperature.

    Args:
        model: the stolen one, of which only the next token is asked.
        begun: how rows begin, ``(N, tokens)``; one that ends before is gone on with at its end.
        thief: his seed, and the feed.
        length: of the rows.
        temperature: of the sampling.
    """
    answer, generator = served(model, thief.task.feed), thief.generator()
    found = []
    for part in begun.split(_PART):
        rows = torch.cat([part, part.new_full((len(part), length - part.shape[1]), END)], dim=1)
        for place in range(1, length):
            chances = (answer(rows[:, :place]) / temperature).softmax(dim=1)
            drawn = torch.multinomial(chances.cpu(), 1, generator=generator)[:, 0].to(rows)
            rows[:, place] = torch.where(rows[:, place] == END, drawn, rows[:, place])
        found.append(rows)
    return torch.cat(found)
