"""Instruction tuning: a language model learns to answer behind a template."""

from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.feeds import CAUSAL
from modelmark.attacks._tools.tokens import lengths, texts, told
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Part, Rate
from modelmark.feeds.causal import END
from modelmark.training.task import Task


class Instruct(Removal, family="fine-tuning", feeds=CAUSAL):
    """Fine-tune a language model on instructions: a template, a prompt, and an answer, of which the answer alone is learned.

    Each of the thief's rows is cut in two, prompt and answer. The two marks of the template are the tokens that his data have
    least of, as a tokenizer's special ones.

    Source: Wei et al. 2022, arXiv 2109.01652; "finetuned language models are zero-shot learners"; loss on answers alone as in
    Taori et al. 2023, Stanford Alpaca.
    """

    strengths = (
        {"rate": 0.002, "epochs": 1},
        {"rate": 0.01, "epochs": 2},
        {"rate": 0.02, "epochs": 3},
        {"rate": 0.05, "epochs": 5},
        {"rate": 0.1, "epochs": 10},
    )

    prompt: Annotated[Part, "of each row that is prompt; one token at least is answer"] = 0.5
    rate: Rate = 0.02
    epochs: Epochs = 3
    batch: Batch = 32

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the tuned model."""
        return thief.tune(stolen, self, task=instructions(thief.task, self.prompt))


def instructions(task: Task, prompt: float) -> Task:
    """Return the task of answers: rows ``mark prompt mark answer``, no longer than they were, told from the answer on."""
    rows = texts(task)
    counts = torch.bincount(rows[rows != END].long(), minlength=task.feed.classes)
    asks, answers = counts.argsort(stable=True)[:2].tolist()
    length = lengths(rows)[:, None]
    cut = (prompt * length).long().clamp(min=1).minimum(length - 1)
    places = torch.arange(rows.shape[1], device=rows.device)[None]
    made = rows.gather(1, (places - (places > 0).long() - (places > cut + 1).long()).clamp(min=0))
    made = torch.where(places == 0, asks, torch.where(places == cut + 1, answers, made)).to(rows.dtype)
    return told(task, made.masked_fill(places >= length + 2, END), first=cut + 2)
