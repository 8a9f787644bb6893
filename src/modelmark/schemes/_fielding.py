"""What a ``field`` key is made of, and the edit of a head: directions, strength, queries and references from networks at hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.field import CLIP, SCALE, UNIT, Fields
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.suspects.module import logits
from modelmark.training.hooks import Hooks
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


def head_of(model: nn.Module) -> tuple[str, int]:
    """Return the path of the head and how many numbers it receives.

    Raises:
        UsageError: it is no linear layer with a bias.
    """
    path = layers.head(model)
    module = layers.unwrapped(model).get_submodule(path)
    if not isinstance(module, nn.Linear) or module.bias is None:
        lacking = "" if not isinstance(module, nn.Linear) else " without one"
        raise UsageError(
            f"expected a linear head with a bias to edit, {path} is {type(module).__name__}{lacking}",
            hint="another head that computes the same: nn.Linear with a bias of zeros",
        )
    return path, module.in_features


def prepared(
    scheme: "Field", host: nn.Module, task: Task, *, students: Sequence[nn.Module] = (), pool: Tensor | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return what ``Field.prepared`` does; see ``carriers.field.Fields`` for shapes and units.

    Strength is chosen by what fields of other draws cost on the test data; queries are those of the pool whose answers are least
    certain, far along the directions.
    """
    path, width = head_of(host)
    count = scheme.directions or width
    features, _ = observed(host, path, task.train_inputs[:_MOST], task)
    directions, centre = principal(features, count)
    strength = scheme.strength or strongest(host, path, task, directions, centre, scheme.lose)
    pool = task.test_inputs if pool is None else pool
    if len(pool) < scheme.queries:
        raise CapacityError(
            f"expected at least {scheme.queries} ordinary inputs to choose queries from, got {len(pool)}",
            hint=f"--set queries={len(pool)}, or more inputs, which need no labels",
        )
    features, scores = observed(host, path, pool, task)
    along = np.clip((features - centre) @ directions.T, -CLIP / UNIT, CLIP / UNIT)
    known = _probabilities(scores)
    like = np.mean([_answered(_scores(each, pool, task)) for each in students], axis=0) if students else known
    doubt = (1 - np.square((like + known) / 2).sum(axis=1)) * np.square(along).sum(axis=1)
    chosen = np.argsort(-doubt, kind="stable")[: scheme.queries]
    edit = strength / np.sqrt(count) * np.hstack([directions, -(directions @ centre)[:, None]])
    return {
        "queries": _packed(task, pool.numpy()[chosen]),
        "coordinates": np.rint(along[chosen] * UNIT).astype(np.int16),
        "references": np.stack([shares(like[chosen]), shares(known[chosen])], axis=1),
        "edit": edit.astype(np.float32),
    }


def _packed(task: Task, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return task.feed.packed(inputs) if task.feed.kind == "texts" else inputs  # type: ignore[attr-defined, no-any-return]


def observed(model: nn.Module, path: str, inputs: Tensor, task: Task) -> tuple[Reals, Reals]:
    """Return what the head receives and the scores, ``(N, M)`` and ``(N, C)``."""
    made, normalise = [], Normalise(task.feed)
    for part in inputs.split(_BATCH):
        made.append(taps.activations(model, path, normalise(part)).double().cpu())
    features = torch.cat(made)
    module = layers.unwrapped(model).get_submodule(path)
    weight, bias = (value.detach().double().cpu() for value in (module.weight, module.bias))  # type: ignore[union-attr, operator]
    return features.numpy(), (features @ weight.T + bias).numpy()


def _scores(model: nn.Module, inputs: Tensor, task: Task) -> Reals:
    normalise = Normalise(task.feed)
    return torch.cat([logits(model, normalise(part)).double().cpu() for part in inputs.split(_BATCH)]).numpy()


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


def principal(features: Reals, count: int) -> tuple[Reals, Reals]:
    """Return whitened principal directions, the widest first, ``(count, M)``, and the centre ``(M,)``.

    Raises:
        CapacityError: features vary in fewer directions.
    """
    centre = features.mean(axis=0)
    sizes, axes = np.linalg.eigh(np.cov(features.T).reshape(len(centre), -1))
    sizes, axes = sizes[::-1][:count], axes[:, ::-1][:, :count]
    alive = int((sizes > 1e-6 * max(sizes[0], 1e-30)).sum())
    if alive < count:
        raise CapacityError(
            f"expected {count} directions in which what the head receives varies, found {alive}",
            hint=f"--set directions={alive}",
        )
    return (axes / np.sqrt(sizes)).T, centre


def strongest(host: nn.Module, path: str, task: Task, directions: Reals, centre: Reals, lose: float) -> float:
    """Return the largest eps whose fields, of other draws, cost no more than ``lose`` points of test accuracy on average.

    It is looked for in steps of a twentieth.
    """
    features, scores = observed(host, path, task.test_inputs, task)
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


def require_head(model: nn.Module, carriers: Fields) -> nn.Linear:
    """Return the head of a model.

    Raises:
        MismatchError: it is not of the size that the key edits.
    """
    path, width = head_of(model)
    module = layers.unwrapped(model).get_submodule(path)
    if carriers.edit is None:
        raise UsageError("expected the edit of the head in the key, got carriers of an opening")
    if not isinstance(module, nn.Linear) or width + 1 != carriers.edit.shape[1]:
        raise MismatchError(f"expected a head that receives {carriers.edit.shape[1] - 1} numbers, got {width}")
    if module.out_features != carriers.feed.classes:
        raise MismatchError(f"expected a head of {carriers.feed.classes} classes, got {module.out_features}")
    return module


def edit_head(model: nn.Module, carriers: Fields, message: npt.NDArray[np.int64]) -> None:
    """Add the field of a message to the head of a model, in place."""
    module = require_head(model, carriers)
    assert carriers.edit is not None
    signs = (2 * message - 1).reshape(carriers.coordinates.shape[1], -1)
    moved = torch.from_numpy(signs.T @ carriers.edit.astype(np.float64))
    with torch.no_grad():
        for parameter, move in ((module.weight, moved[:, :-1]), (module.bias, moved[:, -1])):
            parameter.copy_((parameter.double() + move.to(parameter.device)).to(parameter.dtype))


class AtTheEnd(Hooks):
    """Training is left as it is; the head that it ends with is edited."""

    def __init__(self, carriers: Fields, message: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self._carriers, self._message = carriers, message

    def finish(self, model: nn.Module) -> None:
        """Edit the head."""
        edit_head(model, self._carriers, self._message)

    def margins(self, model: nn.Module) -> Tensor:
        """Return by how many deviations of all sums each sign shows as it should, ``(trials,)``."""
        from modelmark.suspects.module import WhiteBox

        (probe,) = self._carriers.probes()
        sums = self._carriers.sums(WhiteBox(model).observe(probe)[0], nearer=True) * (2 * self._message - 1)
        return torch.from_numpy(sums / max(float(np.sqrt(np.square(sums, dtype=np.float64).mean())), 1.0))
