"""What a ``field`` key is made of: directions, strength, queries and references, from networks at hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.field import CLIP, SCALE, UNIT
from modelmark.errors import CapacityError, MismatchError, SuspectError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import taps
from modelmark.schemes._field_head import head_of
from modelmark.schemes.field import DIRECTIONS
from modelmark.suspects.module import logits
from modelmark.training.task import Task

if TYPE_CHECKING:
    from modelmark.schemes.field import Field

Reals = npt.NDArray[np.float64]
_MOST = 20_000
"""Training inputs from which directions are taken."""
_DRAWS = 8
"""Other draws, whose cost says how strong a field may be."""
_STRONGEST = 8.0
_BATCH = 1000
_OTHERWISE = 0.05
"""The share of answers that may differ between a head's outputs and the scores, in which numbers of a coarse type tie."""


def prepared(
    scheme: "Field", host: nn.Module, task: Task, *, students: Sequence[nn.Module] = (), pool: Tensor | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return what ``Field.prepared`` does; see ``carriers.field.Fields`` for shapes and units.

    Strength is chosen by what fields of other draws cost on the test data; queries are those of the pool whose answers are least
    certain, far along the directions.
    """
    pool = task.test_inputs if pool is None else pool
    if len(pool) < scheme.queries:
        raise CapacityError(
            f"expected at least {scheme.queries} ordinary inputs to choose queries from, got {len(pool)}",
            hint=f"--set queries={len(pool)}, or more inputs, which need no labels",
        )
    features, _ = observed(host, task.train_inputs[:_MOST], task)
    directions, centre = principal(features, scheme.directions)
    strength = scheme.strength or strongest(host, task, directions, centre, scheme.lose)
    features, scores = observed(host, pool, task)
    along = np.clip((features - centre) @ directions.T, -CLIP / UNIT, CLIP / UNIT)
    known = _probabilities(scores)
    like = np.mean([_answered(_scores(each, pool, task)) for each in students], axis=0) if students else known
    doubt = (1 - np.square((like + known) / 2).sum(axis=1)) * np.square(along).sum(axis=1)
    chosen = np.argsort(-doubt, kind="stable")[: scheme.queries]
    edit = strength / np.sqrt(len(directions)) * np.hstack([directions, -(directions @ centre)[:, None]])
    return {
        "queries": pool.numpy()[chosen],
        "coordinates": np.rint(along[chosen] * UNIT).astype(np.int16),
        "references": np.stack([shares(like[chosen]), shares(known[chosen])], axis=1),
        "edit": edit.astype(np.float32),
    }


def observed(model: nn.Module, inputs: Tensor, task: Task) -> tuple[Reals, Reals]:
    """Return what the head receives and the scores, ``(N, M)`` and ``(N, C)``.

    Raises:
        UsageError: what the head receives is no row of numbers, or what it gives are not the scores.
        SuspectError: a score is no number.
    """
    path, head = head_of(model)
    normalise = Normalise(task.feed)
    features = torch.cat(
        [taps.activations(model, path, normalise(part)).double().cpu() for part in inputs.split(_BATCH)]
    )
    if features.shape[1] != head.in_features:
        raise UsageError(
            f"expected a head that receives {head.in_features} numbers for each input, {path} receives {features.shape[1]}"
        )
    weight, bias = (value.detach().double().cpu() for value in (head.weight, head.bias))
    scores = (features @ weight.T + bias).numpy()
    some = scores[:_BATCH]
    if (_scores(model, inputs[:_BATCH], task).argmax(axis=1) != some.argmax(axis=1)).mean() > _OTHERWISE:
        raise UsageError(f"expected a head whose outputs are the scores, those of {path} are changed behind it")
    return features.numpy(), scores


def _scores(model: nn.Module, inputs: Tensor, task: Task) -> Reals:
    normalise = Normalise(task.feed)
    found = torch.cat([logits(model, normalise(part)).double().cpu() for part in inputs.split(_BATCH)]).numpy()
    if found.shape[1:] != (task.feed.classes,):
        raise MismatchError(f"expected networks that score {task.feed.classes} classes, got shape {found.shape[1:]}")
    if not np.isfinite(found).all():
        raise SuspectError("expected finite scores from host and rehearsals, got NaN or infinity")
    return np.asarray(found, np.float64)


def _probabilities(scores: Reals) -> Reals:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Reals = raised / raised.sum(axis=1, keepdims=True)
    return found


def _answered(scores: Reals) -> Reals:
    """Return what a student answers to each input, half as probabilities and half as the label alone, ``(N, C)``.

    Labels are what will be read of a copy; of few students their shares are coarse, and probabilities fill in.
    """
    label = np.zeros_like(scores)
    label[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    found: Reals = (label + _probabilities(scores)) / 2
    return found


def principal(features: Reals, count: int | None) -> tuple[Reals, Reals]:
    """Return whitened principal directions, the widest first, ``(count, M)``, and the centre ``(M,)``.

    Args:
        features: ``(N, M)``.
        count: of directions; None: those in which features vary, ``DIRECTIONS`` at most.

    Raises:
        CapacityError: features vary in fewer directions.
    """
    centre = features.mean(axis=0)
    sizes, axes = np.linalg.eigh(np.cov(features.T).reshape(len(centre), -1))
    sizes, axes = sizes[::-1], axes[:, ::-1]
    alive = int((sizes > 1e-6 * max(sizes[0], 1e-30)).sum())
    count = count or min(alive, DIRECTIONS)
    if not 0 < count <= alive:
        raise CapacityError(
            f"expected {count} directions in which what the head receives varies, found {alive}",
            hint=f"--set directions={alive}",
        )
    return (axes[:, :count] / np.sqrt(sizes[:count])).T, centre


def strongest(host: nn.Module, task: Task, directions: Reals, centre: Reals, lose: float) -> float:
    """Return the largest eps whose fields, of other draws, cost no more than ``lose`` points of test accuracy on average.

    It is looked for in steps of a twentieth.
    """
    features, scores = observed(host, task.test_inputs, task)
    along, labels = (features - centre) @ directions.T, task.test_labels.numpy()
    drawn = np.random.default_rng(0).integers(0, 2, (_DRAWS, len(directions), scores.shape[1])) * 2 - 1
    fields = along @ drawn / np.sqrt(len(directions))
    before, found = float((scores.argmax(axis=1) == labels).mean()), 0.0
    strength = 0.02
    while strength < _STRONGEST:
        after = float(((scores + strength * fields).argmax(axis=2) == labels).mean())
        if 100 * (before - after) > lose:
            break
        found, strength = strength, strength * 1.05
    if not found:
        raise UsageError(f"expected a field that costs {lose} points at most, even the weakest costs more")
    return found


def shares(probabilities: Reals) -> npt.NDArray[np.uint16]:
    """Return probabilities ``(N, C)`` as whole numbers that add up to ``SCALE``, each within 1."""
    exact = probabilities / probabilities.sum(axis=1, keepdims=True) * SCALE
    whole = np.floor(exact).astype(np.int64)
    lacking = SCALE - whole.sum(axis=1)
    order = np.argsort(whole - exact, axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable")
    return np.asarray(whole + (places < lacking[:, None]), np.uint16)
