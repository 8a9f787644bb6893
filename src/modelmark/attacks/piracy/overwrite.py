"""A second mark on a stolen model: the thief embeds a key of his own over the owner's.

The one file among the attacks that makes keys: the thief's own. No parameter lets the owner's in.
"""

import hashlib
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.errors import UsageError
from modelmark.hooks import Hooks
from modelmark.keys import keygen
from modelmark.marks import Mark
from modelmark.naming import suggest as near
from modelmark.recipe import annealed
from modelmark.schemes import SCHEMES, scheme_class
from modelmark.secret import Secret
from modelmark.task import Task
from modelmark.training import Watch, fit


class Overwrite(Attack):
    """Train the stolen model a few epochs more with the hooks of the thief's own key.

    Source: the ownership piracy of Adi et al. 2018, section 6, and the overwriting of Nagai et al. 2018, arXiv 1802.02601; for
    ``deepsigns`` with ``afresh`` the re-run of Rouhani et al. 2018, arXiv 1804.00750: the demo draws its centres from U[0, 1),
    so that embedding again drags the classes to other places first.

    The rate decides whose mark is left. On digits, two ``adi`` marks, 15 epochs and FTAL after them: at a peak of 0.003 the
    owner shows at least 15 of 100 triggers more than the thief, which is what Adi et al. report; at 0.05 it is the other way.

    Departs: a few epochs at an annealed rate; Adi et al. give the pirate as many epochs as the owner had.

    Args:
        scheme: of the thief's key, a name in ``SCHEMES``, at its default settings; audits take the owner's unless told.
        epochs: passes over the thief's data.
        peak: largest learning rate, reached after 15 % of the epochs.
        batch: samples a step.
        afresh: begin the thief's centres anew instead of where the classes are; ``deepsigns`` alone.
    """

    name: ClassVar[str] = "overwrite"
    summary: ClassVar[str] = "embed a mark of the thief's own into the stolen model"
    source: ClassVar[str] = "Adi et al. 2018, arXiv 1802.04633; Nagai et al. 2018, arXiv 1802.02601"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "piracy"
    strengths: ClassVar[Strengths] = (
        {"epochs": 5},
        {"epochs": 20},
        {"scheme": "uchida", "epochs": 20},
        {"scheme": "adi", "epochs": 20},
        {"scheme": "deepsigns", "epochs": 20, "afresh": True},
    )

    schemes: ClassVar[tuple[str, ...]] = tuple(SCHEMES)

    scheme: str = "uchida"
    epochs: int = 10
    peak: float = 0.05
    batch: int = 64
    afresh: bool = False

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            hint = near(self.scheme, SCHEMES)
            raise ValueError(f"expected a scheme, got {self.scheme!r}" + (f" ({hint})" if hint else ""))
        require(epochs=self.epochs, batch=self.batch, rate=self.peak)
        if self.afresh and self.scheme != "deepsigns":
            raise ValueError(f"expected afresh with deepsigns, which has centres, got {self.scheme}")

    def mark(self, model: nn.Module, task: Task, *, seed: int) -> Mark:
        """Return the mark that the attack with this seed embeds, to read whose mark the result shows.

        Args:
            model: the stolen model, as it is given to the attack.
            task: the thief's data, likewise.
            seed: likewise.
        """
        own = Secret(hashlib.sha256(f"overwrite/{self.scheme}/{seed}".encode()).digest())
        return keygen(scheme_class(self.scheme)(), model, task.interface, task=task, secret=own).mark()

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy with two marks, or with the thief's alone.

        Raises:
            UsageError: the model or the thief's data have no place for such a mark.
        """
        pirate = self.mark(model, task, seed=seed)
        recipe = annealed(self.epochs, self.peak, batch=self.batch, clip=1.0)

        def hooks(copied: nn.Module) -> Hooks:
            made = pirate.hooks(copied, seed=seed)
            return _scattered(made, seed) if self.afresh else made

        return fit(model, task, recipe, seed=seed, hooks=hooks, watch=watch)


def _scattered(hooks: Hooks, seed: int) -> Hooks:
    """Return the hooks of DeepSigns with centres drawn from U[0, 1)."""
    centres = list(hooks.parameters())
    if not centres:
        raise UsageError("expected hooks with centres to draw anew, got none")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in centres:
            each.uniform_(generator=generator)
    hooks.set_extra_state({"placed": True})
    return hooks
