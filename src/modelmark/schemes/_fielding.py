"""What a ``field`` key is made of: directions, strength, queries and references, from networks at hand."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.field import CLIP, PROBABILITIES, SCALE, UNIT
from modelmark.carriers.likely import surprises
from modelmark.errors import CapacityError, MismatchError, SuspectError, UsageError
from modelmark.evidence.scores import tail_bits
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.networks import taps
from modelmark.schemes._field_along import Along, numbers_of
from modelmark.schemes._field_head import edit_head, head_of
from modelmark.schemes.base import Attachments, Material
from modelmark.suspects.module import WhiteBox, logits
from modelmark.training.task import Task, accuracy

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
    scheme: "Field",
    host: nn.Module,
    task: Task,
    *,
    students: Sequence[nn.Module] = (),
    pool: Tensor | None = None,
    along: Along | None = None,
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
    own = numbers_of(scheme.coordinates, task.feed, along) if scheme.coordinates != "features" or along else None
    features, _ = observed(host, task.train_inputs[:_MOST], task, own)
    directions, centre = principal(features, scheme.directions, scheme.most_directions(task.feed))
    tested, before = observed(host, task.test_inputs, task, own)
    fields = (tested - centre) @ directions.T
    strength = scheme.strength or strongest(fields, before, task.test_labels.numpy(), scheme.lose)
    features, scores = observed(host, pool, task, own)
    coordinates = np.clip((features - centre) @ directions.T, -CLIP / UNIT, CLIP / UNIT)
    known = _probabilities(scores)
    answered = [_scores(each, pool, task) for each in students]
    like = np.mean([_answered(each) for each in answered], axis=0) if students else known
    doubt = (1 - np.square((like + known) / 2).sum(axis=1)) * np.square(coordinates).sum(axis=1)
    chosen = np.argsort(-doubt, kind="stable")[: scheme.queries]
    if scheme.answers == PROBABILITIES:
        both = surprises([_probabilities(each) for each in answered] or [known]), surprises([known])
    else:
        both = shares(like), shares(known)
    edit = strength / np.sqrt(len(directions)) * np.hstack([directions, -(directions @ centre)[:, None]])
    return {
        "queries": pool.numpy()[chosen],
        "coordinates": np.rint(coordinates[chosen] * UNIT).astype(np.int16),
        "references": np.stack(both, axis=1)[chosen],
        "edit": edit.astype(np.float32),
    }


def foretold(scheme: "Field", host: nn.Module, task: Task, made: Attachments) -> tuple[float, float]:
    """Return what ``Field.foretold`` does: signs that no draw of the key gives are put into a copy, and read from it."""
    resolved = scheme.for_model(host, task.feed, made)
    carriers = resolved.carriers(Material(Secret(bytes(32)), task.feed, made))
    signs = np.random.default_rng(1).integers(0, 2, len(carriers.trials))
    marked = copy.deepcopy(host)
    edit_head(marked, carriers, signs)
    (probe,) = carriers.probes()
    tables = [carriers.scores(each) for each in carriers.every([WhiteBox(marked).observe(probe)[0]])]
    bits = max(tail_bits(table, table.total(signs)).bits for table in tables)
    return bits, 100 * (accuracy(host, task) - accuracy(marked, task))


def observed(model: nn.Module, inputs: Tensor, task: Task, along: Along | None = None) -> tuple[Reals, Reals]:
    """Return what coordinates are sums of, for each input, and the scores, ``(N, M)`` and ``(N, C)``.

    Args:
        model: the host.
        inputs: as the feed stores them.
        task: of the feed.
        along: what they are sums of; None: what the head receives.

    Raises:
        UsageError: what the head receives is no row of numbers, or what it gives are not the scores.
        SuspectError: a score is no number.
    """
    normalise = Normalise(task.feed)
    if along is not None:
        return _numbers(along, [normalise(part) for part in inputs.split(_BATCH)]), _scores(model, inputs, task)
    path, head = head_of(model)
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


def _numbers(along: Along, parts: Sequence[Tensor]) -> Reals:
    """Return what a function says of inputs, ``(N, M)``.

    Raises:
        UsageError: it is no row of finite numbers for each.
    """
    with torch.no_grad():
        found = [along(part) for part in parts]
    for part, numbers in zip(parts, found, strict=True):
        if numbers.dim() != 2 or len(numbers) != len(part) or not torch.isfinite(numbers).all():
            raise UsageError(
                f"expected a function that says finite numbers ({len(part)}, M) of {len(part)} inputs, got {tuple(numbers.shape)}"
            )
    return np.asarray(torch.cat(found).double().cpu().numpy(), np.float64)


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


def principal(features: Reals, count: int | None, most: int) -> tuple[Reals, Reals]:
    """Return whitened principal directions, the widest first, ``(count, M)``, and the centre ``(M,)``.

    Args:
        features: ``(N, M)``.
        count: of directions; None: those in which features vary.
        most: of these.

    Raises:
        CapacityError: features vary in fewer directions.
    """
    centre = features.mean(axis=0)
    sizes, axes = np.linalg.eigh(np.cov(features.T).reshape(len(centre), -1))
    sizes, axes = sizes[::-1], axes[:, ::-1]
    alive = int((sizes > 1e-6 * max(sizes[0], 1e-30)).sum())
    count = count or min(alive, most)
    if not 0 < count <= alive:
        raise CapacityError(
            f"expected {count} directions in which what the head receives varies, found {alive}",
            hint=f"--set directions={alive}",
        )
    return (axes[:, :count] / np.sqrt(sizes[:count])).T, centre


def strongest(along: Reals, scores: Reals, labels: npt.NDArray[np.int64], lose: float) -> float:
    """Return the largest eps whose fields, of other draws, cost no more than ``lose`` points of test accuracy on average.

    It is looked for in steps of a twentieth.

    Args:
        along: coordinates of the test inputs, ``(N, K)``.
        scores: of the host, ``(N, C)``.
        labels: ``(N,)``.
        lose: points of accuracy.
    """
    drawn = np.random.default_rng(0).integers(0, 2, (_DRAWS, along.shape[1], scores.shape[1])) * 2 - 1
    fields = along @ drawn / np.sqrt(along.shape[1])
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
