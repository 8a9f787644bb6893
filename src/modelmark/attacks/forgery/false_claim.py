"""False claims against independent models: triggers that transfer from the accuser's own surrogates."""

import copy
from dataclasses import replace
from typing import Annotated

from torch import nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.targeted import Epsilon, leads, targeted
from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count, Within
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.models import build
from modelmark.seeding import own_seed, seeded
from modelmark.training.loop import suggested
from modelmark.training.task import Task


class FalseClaim(Forgery):
    """Claim that whoever answers pictures as one's own surrogates do stole: triggers that transfer.

    The accused model is never asked: only its architecture is used, and not even that where ``nets`` are named. The accuser
    commits to pictures and labels before the accused is released; the commitment is no help, since nothing was embedded.

    Source: Liu et al. 2024, arXiv 2304.06607; "False claims against model ownership resolution", USENIX Security, read through
    its abstract: transferable, targeted adversarial examples as the trigger set.
    """

    forges = ("adi",)
    transfers = True

    surrogates: Annotated[Count, "networks that the accuser trains"] = 3
    nets: Annotated[str, "their architectures, joined by commas, used in turn; empty: the accused's"] = ""
    epochs: Annotated[int, Within(0), "of each; 0: as embed would train"] = 8
    triggers: _claims.Triggers = 100
    pool: Annotated[Count, "candidates for each, of which those that convince all surrogates most are kept"] = 2
    epsilon: Epsilon = 77.0
    steps: Annotated[Count, "of gradient descent"] = 20
    disjoint: Annotated[bool, "whether surrogates share no data; else each has all of it"] = False

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim; the data are what the accuser has."""
        task, generator = forger.task, forger.generator()
        trained = self._trained(claimed, forger)
        count = min(self.pool * self.triggers, len(task.train_inputs))
        pictures, own = _claims.started("pictures", max(count, self.triggers), task, generator)
        labels = _claims.other_labels(own, task.feed.classes, generator)
        made = targeted(trained, pictures, labels, Extent.of(task), epsilon=self.epsilon, steps=self.steps)
        best = leads(trained, made, labels, task.feed).argsort(descending=True, stable=True)[: self.triggers]
        return _claims.pictures_claim(made[best], labels[best], tries=len(made))

    def _trained(self, model: nn.Module, forger: Thief) -> list[nn.Module]:
        parts = [forger.task] * self.surrogates
        if self.disjoint:
            shares = {str(index): 1 / self.surrogates for index in range(self.surrogates)}
            parts = list(forger.task.split(shares, seed=forger.seed).values())
        names = self.nets.split(",") if self.nets else [""]
        found = []
        for index, part in enumerate(parts):
            own = replace(forger, task=part, seed=forger.seed + index)
            start = _fresh(model, names[index % len(names)], part, seed=own.seed)
            found.append(own.fit(start, suggested(start, part, epochs=self.epochs)))
        return found


def _fresh(model: nn.Module, net: str, task: Task, *, seed: int) -> nn.Module:
    """Return an untrained network called ``net``, or of the architecture of ``model``, on the device of ``model``."""
    if net:
        built = build(net, task.feed.input_shape, task.feed.classes, seed=own_seed(seed))
        return built.to(next(model.parameters()).device)
    copied, drawn = copy.deepcopy(model), 0
    with seeded(own_seed(seed), next(model.parameters()).device):
        for module in copied.modules():
            own = any(True for _ in module.parameters(recurse=False))
            if own and not hasattr(module, "reset_parameters"):
                raise UsageError(
                    f"expected layers that can be initialised again, got {type(module).__name__}",
                    hint="name the surrogates' architectures: nets=...",
                )
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()  # type: ignore[operator]
                drawn += own
    if not drawn:
        raise UsageError("expected a model with parameters, got one without")
    return copied
