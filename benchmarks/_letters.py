"""Text, a small language model of letters, and what is done with both; the text and the network of the tests."""

import copy
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe, annealed
from modelmark.training.task import Task

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import language

VOCABULARY, LENGTH = len(language.CHARACTERS), language.LENGTH + 1
Rows = npt.NDArray[np.int32]
fresh = language.fresh


def text() -> Rows:
    """Return pieces of text, no two alike and no two of one beginning, in an order that is always the same."""
    found = language.rows().numpy()
    found = found[np.random.default_rng(0).permutation(len(found))]
    return found[np.sort(np.unique(found[:, : LENGTH // 2], axis=0, return_index=True)[1])]


def recipe(epochs: int, rate: float = 0.3) -> Recipe:
    return annealed(epochs, rate, batch=32, weight_decay=0.0, clip=1.0)


def task(rows: Rows, test: Rows) -> Task:
    return Task.from_tokens(torch.from_numpy(rows), torch.from_numpy(test), VOCABULARY)


def learned(model: nn.Module, rows: Rows, epochs: int, *, seed: int, rate: float = 0.3) -> nn.Module:
    """Return a copy that was trained on rows."""
    return fit(model, task(rows, rows[:8]), recipe(epochs, rate), seed=seed)


@torch.no_grad()
def told(model: nn.Module, prompts: Rows, *, seed: int, temperature: float = 1.0) -> Rows:
    """Return prompts with what a model says behind them, drawn letter by letter, ``(N, LENGTH)``."""
    generator, x = torch.Generator().manual_seed(seed), torch.from_numpy(prompts).long()
    while x.shape[1] < LENGTH:
        scores = model(x)["logits"][:, -1] / temperature
        x = torch.cat([x, torch.multinomial(scores.softmax(-1), 1, generator=generator)], dim=1)
    return x.int().numpy()


@torch.no_grad()
def reworded(model: nn.Module, rows: Rows, given: int, share: float, *, seed: int) -> Rows:
    """Return rows of which a share of the letters behind the first ``given`` is what a model would say in that place."""
    generator, x = torch.Generator().manual_seed(seed), torch.from_numpy(rows).long()
    for place in range(given, x.shape[1]):
        said = torch.multinomial(model(x[:, :place])["logits"][:, -1].softmax(-1), 1, generator=generator)[:, 0]
        changed = torch.rand(len(x), generator=generator) < share
        x[:, place] = torch.where(changed, said, x[:, place])
    return x.int().numpy()


def distilled(
    student: nn.Module, teacher: nn.Module, rows: Rows, epochs: int, temperature: float, *, seed: int
) -> nn.Module:
    """Return a copy of a student that learned what a teacher thinks of every next letter of rows."""
    student = copy.deepcopy(student)
    steps, generator = epochs * (len(rows) // 32), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.3, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=steps, pct_start=0.15, anneal_strategy="linear"
    )
    for _ in range(epochs):
        for part in torch.randperm(len(rows), generator=generator)[: len(rows) // 32 * 32].split(32):
            x = torch.from_numpy(rows[part.numpy()]).long()[:, :-1]
            with torch.no_grad():
                wanted = (teacher(x)["logits"] / temperature).softmax(-1)
            loss = -(wanted * (student(x)["logits"] / temperature).log_softmax(-1)).sum(-1).mean() * temperature**2
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return student.eval()


def in_order(model: nn.Module, rows: Rows, sampler: Iterable[int], epochs: int, *, constant: bool) -> nn.Module:
    """Return a copy that was trained on rows in the order of a sampler, AdamW's rate of 0.003 staying or falling to zero."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    done, steps = 0, epochs * (len(rows) // 16)
    for _ in range(epochs):
        for part in torch.tensor(list(sampler))[: len(rows) // 16 * 16].split(16):
            for group in optimizer.param_groups:
                group["lr"] = 0.003 * (1 if constant else 1 - done / steps)
            picked = torch.from_numpy(rows[part.numpy()]).long()
            scores = model(picked[:, :-1])["logits"].flatten(0, 1)
            nn.functional.cross_entropy(scores, picked[:, 1:].flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            done += 1
    return model.eval()
