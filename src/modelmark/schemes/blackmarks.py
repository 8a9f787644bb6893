"""Chen et al. 2019: classes in two groups, pictures moved from one group towards the other, and a bit for each: its group.

Source: Chen, Rouhani, Koushanfar, "BlackMarks: blackbox multibit watermarking for deep neural networks", 2019, arXiv 1904.00344.

Classes are grouped by what the unmarked host makes of them, so that an answer with any class is one of two symbols.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, from_numpy, nn

from modelmark.carriers.coded import Codes
from modelmark.errors import MismatchError
from modelmark.key.secret import Secret
from modelmark.schemes import _crafting, blackbox
from modelmark.schemes._labelled import picked
from modelmark.schemes._sided import BITS, Sided, Siding
from modelmark.schemes.base import Material
from modelmark.suspects.module import logits
from modelmark.training.hooks import Hooks
from modelmark.training.task import Task


@dataclass(frozen=True)
class BlackMarks(Siding):
    """Pictures moved from one group of classes towards the other, with a drawn group for each (black-box).

    Departs: with ``message="drawn"`` bits are drawn after pictures and groups are committed, and every picture counts; the paper
    has the owner's signature, and keeps those of many pictures that the marked model learned and the unmarked one did not.
    Departs: for its bit a picture is trained to be of its own class or of the one that it was moved to, by cross-entropy alone;
    the paper adds the distance of what is decoded from the bits.
    Departs: pictures are moved by whole grey levels, once, before the draw.
    """

    name: ClassVar[str] = "blackmarks"
    summary: ClassVar[str] = "classes in two groups, a drawn group for each of some moved pictures (Chen et al. 2019)"

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``pictures``, moved by the gradient of ``model``, ``sides`` and ``groups``, 0 or 1 for each class.

        Of each picture ``sides`` has a class of group 0 and one of group 1: its own, and the one that it was moved to. Those come
        first that ``model`` takes for the other group; it should be trained.
        """
        places = from_numpy(picked(secret, self.name, task, self._count, most=self.pool * self._count))
        assert task is not None
        groups = grouped(model, task, secret)
        before, own = task.train_inputs[places].cpu(), task.labels[places].cpu().numpy()
        rank = secret.integers("blackmarks/targets", 2**32, len(own))
        across = [np.flatnonzero(groups != group) for group in range(BITS)]
        target = np.array(
            [across[groups[one]][number % len(across[groups[one]])] for one, number in zip(own, rank, strict=True)]
        )
        pictures = _crafting.moved(model, before, from_numpy(target), -self.amount, task.feed)
        taken = groups[_crafting.answered(model, pictures, task.feed).argmax(axis=1)] == groups[target]
        chosen = self._halves(groups[own], taken)
        found = np.where(groups[own] == 0, (own, target), (target, own)).T.astype(np.int64)
        return {"pictures": pictures.numpy()[chosen], "sides": found[chosen], "groups": groups}

    def _halves(self, group: Codes, taken: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return the numbers of as many pictures of either group, where there are, those first that were taken for the other."""
        order = np.argsort(~taken, kind="stable")
        half = self._count // 2
        kinds = [order[group[order] == one] for one in range(BITS)]
        first = [kinds[0][:half], kinds[1][: self._count - half], kinds[0][half:], kinds[1][self._count - half :]]
        return np.sort(np.concatenate(first)[: self._count])

    def objection(self) -> str:
        """Return why the literal form has no exact test."""
        return (
            ""
            if self.message == "drawn"
            else "the bits come from the key, as in the paper, and could have been searched for"
        )

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the owner's signature, from the key, or None where the draw decides."""
        return None if self.message == "drawn" else material.secret.integers("blackmarks/bits", BITS, self._count)

    def _codes(self, material: Material, classes: Codes) -> Codes:
        groups, count = material.attachments.get("groups", np.empty(0)), material.feed.classes
        if groups.dtype != np.int64 or groups.shape != (count,) or not np.isin(groups, (0, 1)).all():
            raise MismatchError(
                f"expected attached groups int64 {(count,)} of 0 and 1, got {groups.dtype} {groups.shape}"
            )
        if (groups[classes] != np.arange(BITS)).any():
            raise MismatchError("expected a class of either group for each picture, got others")
        return np.broadcast_to(groups, (self._count, count))

    def appended(self, carriers: Sided, message: npt.NDArray[np.int64], *, seed: int) -> Hooks:
        """Return the hook that appends pictures to every batch, whatever the model."""
        inputs, groups = blackbox.pictures(carriers.pictures, carriers.feed), torch.from_numpy(carriers.codes[0].copy())
        return Grouping(inputs, carriers.labels(message), groups, self.per_hundred, seed)


class Grouping(blackbox.Mixing):
    """Appends pictures, and is content where any class of the right group leads.

    Args:
        inputs: all pictures as ``forward`` takes them, ``(N, *input_shape)``.
        labels: ``(N,)``.
        groups: of each class, 0 or 1.
        per_hundred: pictures for every hundred samples of the batch.
        seed: of the order.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, groups: Tensor, per_hundred: int, seed: int) -> None:
        super().__init__(inputs, labels, per_hundred, seed)
        self._groups = groups

    def margins(self, model: nn.Module) -> Tensor:
        """Return how far the best class of each picture's group is ahead of the best of the other, in logits, ``(N,)``."""
        outputs = logits(model, self.inputs)
        groups = self._groups.to(outputs.device)
        right = groups == groups[self.labels.to(outputs.device)][:, None]
        best = [outputs.masked_fill(~there, -torch.inf).amax(dim=1) for there in (right, ~right)]
        return best[0] - best[1]


def grouped(model: nn.Module, task: Task, secret: Secret) -> Codes:
    """Return two groups of classes, by the means of what the model answers to pictures of each, int64 0 or 1 ``(classes,)``.

    K-means; the lower half of the classes against the upper where a model answers all alike.

    Args:
        model: the unmarked host.
        task: the owner's data.
        secret: decides where the means start.
    """
    from sklearn.cluster import KMeans

    labels, classes = task.labels.cpu().numpy(), task.feed.classes
    scores = _crafting.answered(model, task.train_inputs, task.feed).astype(np.float64)
    means = np.stack(
        [scores[labels == one].mean(axis=0) if (labels == one).any() else scores.mean(axis=0) for one in range(classes)]
    )
    if len(np.unique(means, axis=0)) < BITS:
        return (np.arange(classes) >= classes // 2).astype(np.int64)
    start = int(secret.integers("blackmarks/groups", 2**31, 1)[0])
    return KMeans(BITS, n_init=10, random_state=start).fit(means).labels_.astype(np.int64)  # type: ignore[no-any-return]
