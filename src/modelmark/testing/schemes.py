"""``check_scheme``: what every scheme promises, checked on a small problem."""

import copy
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from modelmark import hashing, keyfile
from modelmark.draw import Draw
from modelmark.embedding import embed
from modelmark.evidence import Evidence
from modelmark.keys import Key, keygen
from modelmark.marks import Mark
from modelmark.recipe import Recipe
from modelmark.schemes.base import Scheme
from modelmark.secret import Secret
from modelmark.suspect import BlackBox, WhiteBox
from modelmark.task import Task, accuracy
from modelmark.testing.generators import global_state
from modelmark.training import Progress, fit

_SECRET = Secret(bytes(range(32)))


def check_scheme(scheme: Scheme, fresh: nn.Module, task: Task, recipe: Recipe, *, most_lost: float = 0.05) -> None:
    """Raise AssertionError at the first promise that ``scheme`` does not keep.

    Args:
        scheme: with its default settings.
        fresh: an untrained model it can mark.
        task: small data.
        recipe: under which the model learns the task and the mark.
        most_lost: accuracy that the mark may cost.
    """
    key = keygen(scheme, fresh, task.interface, task=task, secret=_SECRET)
    _deterministic(scheme, fresh, task, key)
    _round_trip(key)
    _resumes(key.mark(), fresh, task, recipe)
    unmarked = fit(fresh, task, recipe, seed=1)
    mark = key.mark()
    before, state = _bytes(fresh), global_state()
    done = embed(fresh, [mark], task, recipe, seed=2)
    assert _bytes(fresh) == before, "embedding changed the model it was given"
    assert global_state() == state, "embedding drew from a global generator"
    assert all(parameter.device == next(fresh.parameters()).device for parameter in done.model.parameters())
    _verdicts(mark, done.model, unmarked, task)
    lost = accuracy(unmarked, task) - done.accuracy_after
    assert lost <= most_lost, f"the mark cost {lost:.3f} of accuracy, expected at most {most_lost}"
    if scheme.access == "black-box":
        _queries(mark, done.model)
    _other_draws(mark, unmarked)


def _deterministic(scheme: Scheme, fresh: nn.Module, task: Task, key: Key) -> None:
    again = keygen(scheme, fresh, task.interface, task=task, secret=_SECRET)
    assert again.digest == key.digest, "one secret gave two keys"
    other = keygen(scheme, fresh, task.interface, task=task, secret=Secret(bytes(32)))
    assert other.digest != key.digest, "two secrets gave one key"
    assert len(np.unique(key.mark().message)) > 1, "a drawn message of one symbol only"


def _round_trip(key: Key) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.key")
        keyfile.save(key, path, None)
        loaded = keyfile.load(path, None, scheme=keyfile.inspect(path).scheme)
        assert loaded.digest == key.digest, "a key changed on its way through a file"
        keyfile.save(loaded, Path(folder, "b.key"), None)
        assert path.read_bytes() == Path(folder, "b.key").read_bytes(), "a key file changed on being written again"


def _resumes(mark: Mark, fresh: nn.Module, task: Task, recipe: Recipe) -> None:
    """Interrupt a run of two epochs after the first: what goes on from there must end in the same bytes."""
    kept: list[dict[str, Any]] = []

    def watch(progress: Progress) -> None:
        if progress.epoch_ended and not kept:
            kept.append(copy.deepcopy(progress.snapshot()))

    def train(**options: Any) -> nn.Module:
        hooks = partial(mark.hooks, seed=5)
        return fit(fresh, task, replace(recipe, epochs=2), seed=2, hooks=hooks, **options)

    whole = train(watch=watch)
    assert _bytes(train(resume=kept[0])) == _bytes(whole), "a resumed run ended in other bytes than a whole one"


def _verdicts(mark: Mark, marked: nn.Module, unmarked: nn.Module, task: Task) -> None:
    classes = task.interface.classes
    found = mark.evidence(WhiteBox(marked, classes))
    assert isinstance(found, Evidence), "the default variant has no exact test"
    assert found.established, f"the marked model is {found}"
    wrong = keygen(mark.key.scheme, marked, task.interface, task=task).mark()
    for what, other in (
        ("an unmarked model", mark.evidence(WhiteBox(unmarked, classes))),
        ("a wrong key", wrong.evidence(WhiteBox(marked, classes))),
    ):
        assert isinstance(other, Evidence)
        assert not other.established, f"{what} is {other}"
        assert other.gross_bits < 20, f"{what} reaches 20 bits: {other}"


def _queries(mark: Mark, marked: nn.Module) -> None:
    asked, device = 0, next(marked.parameters()).device

    def answer(inputs: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += len(inputs)
        return marked(inputs.to(device)).argmax(1)  # type: ignore[no-any-return]

    with torch.no_grad():
        found = mark.evidence(BlackBox(answer, mark.key.interface.classes))
    assert found.established, "a plain function that answers like the marked model"
    assert found.queries == asked, f"{asked} queries made, {found.queries} stated"


def _other_draws(mark: Mark, unmarked: nn.Module, *, draws: int = 400) -> None:
    """Draw other messages against the fixed answers of an unmarked model; their mean must be the binomial's."""
    key = mark.key
    trials, alphabet = key.scheme.shape(key.interface)
    symbols = key.scheme.extract(key.carriers, WhiteBox(unmarked, key.interface.classes), key.interface).values
    total = sum(
        int(
            (
                Draw(hashing.digest("other-draw", bytes([index // 256, index % 256]))).message(alphabet, trials)
                == symbols
            ).sum()
        )
        for index in range(draws)
    )
    deviation = np.sqrt(draws * trials * (1 / alphabet) * (1 - 1 / alphabet))
    assert abs(total - draws * trials / alphabet) < 4 * deviation, "an unmarked model matches too often or too rarely"


def _bytes(model: nn.Module) -> bytes:
    return b"".join(tensor.cpu().numpy().tobytes() for tensor in copy.deepcopy(model.state_dict()).values())
