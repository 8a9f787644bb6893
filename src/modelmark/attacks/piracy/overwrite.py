"""A second mark on a stolen model: the thief embeds a key of his own over the owner's.

The one file among the attacks that makes keys: the thief's own. No parameter lets the owner's in.
"""

import hashlib
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Positive
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.schemes import SCHEMES, scheme_class
from modelmark.training.hooks import Hooks
from modelmark.training.recipe import annealed
from modelmark.training.task import Task


class Overwrite(Removal, family="piracy"):
    """Embed a mark of the thief's own into the stolen model.

    The rate decides whose mark is left. On digits, two ``adi`` marks, 15 epochs and FTAL after them: at a peak of 0.003 the
    owner shows at least 15 of 100 triggers more than the thief, which is what Adi et al. report; at 0.05 it is the other way.

    Source: Adi et al. 2018, arXiv 1802.04633; Nagai et al. 2018, arXiv 1802.02601; for ``deepsigns`` with ``afresh`` the re-run
    of Rouhani et al. 2018, arXiv 1804.00750: the demo draws its centres from U[0, 1), so that embedding again drags the classes
    to other places first.
    Departs: a few epochs at an annealed rate; Adi et al. give the pirate as many epochs as the owner had.
    """

    source = "Adi et al. 2018, arXiv 1802.04633; Nagai et al. 2018, arXiv 1802.02601"
    strengths = (
        {"epochs": 5},
        {"epochs": 20},
        {"scheme": "uchida", "epochs": 20},
        {"scheme": "adi", "epochs": 20},
        {"scheme": "deepsigns", "epochs": 20, "afresh": True},
    )
    schemes = tuple(SCHEMES)

    scheme: Annotated[str, "of the thief's key, at its default settings; audits take the owner's unless told"] = (
        "uchida"
    )
    epochs: Epochs = 10
    peak: Annotated[Positive, "largest learning rate, reached after 15 % of the epochs"] = 0.05
    batch: Batch = 64
    afresh: Annotated[bool, "begin the thief's centres anew, not where the classes are; deepsigns alone"] = False

    def check(self) -> None:
        """Raise ValueError at an unknown scheme, or one without centres to begin anew."""
        if self.scheme not in SCHEMES:
            raise ValueError(f"expected scheme to be one of {', '.join(SCHEMES)}, got {self.scheme!r}")
        if self.afresh and self.scheme != "deepsigns":
            raise ValueError(f"expected afresh with deepsigns, which has centres, got {self.scheme}")

    def mark(self, model: nn.Module, task: Task, *, seed: int) -> Mark:
        """Return the mark that the attack with these arguments embeds, to read whose mark the result shows."""
        own = Secret(hashlib.sha256(f"overwrite/{self.scheme}/{seed}".encode()).digest())
        return keygen(scheme_class(self.scheme)(), model, task.feed, task=task, secret=own).mark()

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with two marks, or with the thief's alone.

        Raises:
            UsageError: the model or the thief's data have no place for such a mark.
        """
        pirate = self.mark(stolen, thief.task, seed=thief.seed)

        def hooks(copied: nn.Module) -> Hooks:
            made = pirate.hooks(copied, seed=thief.seed)
            return _scattered(made, thief.generator()) if self.afresh else made

        return thief.fit(stolen, annealed(self.epochs, self.peak, batch=self.batch, clip=1.0), hooks=hooks)


@torch.no_grad()
def _scattered(hooks: Hooks, generator: torch.Generator) -> Hooks:
    """Return the hooks of DeepSigns with centres drawn from U[0, 1)."""
    for centres in hooks.parameters():
        centres.uniform_(generator=generator)
    hooks.set_extra_state({"placed": True})
    return hooks
