"""Le Merrer et al. 2019: pictures moved to the frontier between two classes, and a bit for each that says on which side it is.

Source: Le Merrer, Perez, Tredan, "Adversarial frontier stitching for remote neural network watermarking", Neural Computing and
Applications 2019, arXiv 1711.01894: true adversaries, which the unmarked model takes for another class, and false ones, which it
does not; both are trained to be of their own class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import from_numpy, nn

from modelmark.carriers.coded import Coded, Codes, sides
from modelmark.evidence import stats
from modelmark.key.secret import Secret
from modelmark.schemes import _crafting
from modelmark.schemes._labelled import picked
from modelmark.schemes._sided import BITS, Sided, Siding
from modelmark.schemes.base import Material
from modelmark.suspects.base import Array
from modelmark.training.task import Task

ACCEPT = Fraction(1, 20)
"""Of the paper's rule: how often a model that errs on half of the pictures is accepted."""


@dataclass(frozen=True, eq=False)
class Stitched(Sided):
    """Pictures of the literal form, which are judged by the paper's own rule."""

    def note(self, observed: Sequence[Array]) -> str:
        """Return what the paper's rule says."""
        wrong, count = int((observed[0] != self.classes[:, 0]).sum()), len(self.classes)
        theta = stats.mismatch_threshold(count, BITS, ACCEPT)
        return f"{wrong} errors, by the paper's rule (below {theta}) {'accepted' if wrong < theta else 'rejected'}"


@dataclass(frozen=True)
class Frontier(Siding):
    """Pictures moved to the frontier between two classes, with a drawn side of it for each (black-box).

    Departs: with ``message="drawn"`` the draw says for each picture whether it is answered as its own class or as the one across
    the frontier. In the paper all are answered as their own, and that an unmarked model errs on half of them is assumed.
    Departs: half are true adversaries and half false ones as far as the host allows; the paper says no share.
    Departs: pictures are moved by whole grey levels, once, before the draw.
    """

    name: ClassVar[str] = "frontier"
    summary: ClassVar[str] = (
        "pictures moved to the frontier of two classes, a drawn side for each (Le Merrer et al. 2019)"
    )

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``pictures``, moved by the gradient of ``model``, and ``sides``: of each its own class and the other.

        The other is what the model takes a true adversary for, and the runner-up of a false one. ``model`` should be trained.
        """
        places = from_numpy(picked(secret, self.name, task, self._count, most=self.pool * self._count))
        assert task is not None
        before, labels = task.train_inputs[places].cpu(), task.labels[places].cpu()
        pictures = _crafting.moved(model, before, labels, self.amount, task.feed)
        own, each = labels.numpy(), np.arange(len(labels))
        right = _crafting.answered(model, before, task.feed).argmax(axis=1) == own
        scores = _crafting.answered(model, pictures, task.feed)
        true = scores.argmax(axis=1) != own
        scores[each, own] = -np.inf
        chosen = self._halves(right & true, right & ~true)
        found = np.stack([own, scores.argmax(axis=1)], axis=1).astype(np.int64)
        return {"pictures": pictures.numpy()[chosen], "sides": found[chosen]}

    def _halves(self, true: npt.NDArray[np.bool_], false: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return the numbers of the first of both kinds, half and half where there are so many, then of whatever is left."""
        half = self._count // 2
        kinds = [np.flatnonzero(true), np.flatnonzero(false), np.flatnonzero(~(true | false))]
        first = [
            kinds[0][:half],
            kinds[1][: self._count - half],
            kinds[0][half:],
            kinds[1][self._count - half :],
            kinds[2],
        ]
        return np.sort(np.concatenate(first)[: self._count])

    def objection(self) -> str:
        """Return why the literal form has no exact test."""
        if self.message == "drawn":
            return ""
        return "all pictures are asked for their own class, which other models answer too, and how often is assumed"

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the side of its own class for every picture, or None where the draw decides."""
        return None if self.message == "drawn" else np.zeros(self._count, np.int64)

    def _codes(self, material: Material, classes: Codes) -> Codes:
        return sides(material.feed, classes[:, 0], classes[:, 1])

    def _made(self, found: Coded, classes: Codes) -> Sided:
        made = Stitched if self.message == "secret" else Sided
        return made(found.feed, found.pictures, chosen=found.chosen, codes=found.codes, values=BITS, classes=classes)
