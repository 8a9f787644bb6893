"""False claims against independent models: triggers that transfer from the accuser's own surrogates."""

import copy
from typing import ClassVar

import torch
from torch import nn

from modelmark.attacks._tools.targeted import leads, targeted
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.layers import is_normalised
from modelmark.models import build
from modelmark.recipe import suggest
from modelmark.seeding import own_seed, seeded
from modelmark.task import Task
from modelmark.training import Watch, fit


class FalseClaim(Attack):
    """Train surrogates, make pictures that all of them answer as wished, and claim that whoever answers likewise stole.

    The accused model is never asked: only its architecture is used, and not even that where ``nets`` are named. The accuser
    commits to pictures and labels before the accused is released; the commitment is no help, since nothing was embedded.

    Source: Liu, Zhang, Szyller, Ren, Asokan, "False claims against model ownership resolution", USENIX Security 2024,
    arXiv 2304.06607, read through its abstract: transferable, targeted adversarial examples as the trigger set.

    Args:
        surrogates: how many the accuser trains, on disjoint parts of his data where ``disjoint``, else on all of it.
        nets: their architectures, names in ``modelmark.models`` joined by commas, used in turn; empty: the accused's.
        epochs: of each; 0: as ``embed`` would train.
        triggers: how many are claimed.
        pool: candidates made for each, of which those that convince all surrogates most are kept.
        epsilon: largest change of a pixel on the scale of 0 to 255.
        steps: of gradient descent.
        disjoint: whether surrogates share no data.
    """

    name: ClassVar[str] = "false-claim"
    summary: ClassVar[str] = "accuse an unseen model with adversarial pictures that transfer to it"
    source: ClassVar[str] = "Liu et al. 2024, arXiv 2304.06607"
    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]] = ("adi",)
    transfers: ClassVar[bool] = True
    family: ClassVar[str] = "forgery"
    strengths: ClassVar[Strengths] = ({},)

    surrogates: int = 3
    nets: str = ""
    epochs: int = 8
    triggers: int = 100
    pool: int = 2
    epsilon: float = 77.0
    steps: int = 20
    disjoint: bool = False

    def __post_init__(self) -> None:
        if min(self.surrogates, self.steps, self.pool) < 1 or self.epochs < 0 or not 1 <= self.triggers <= 16384:
            raise ValueError(
                "expected at least one surrogate, step and candidate, and 1 to 16384 triggers, "
                f"got {self.surrogates}, {self.steps}, {self.pool} and {self.triggers}"
            )
        if not 0 < self.epsilon <= 255:
            raise ValueError(f"expected epsilon above 0, at most 255, got {self.epsilon}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return the claim; ``task`` is what the accuser has, ``model`` the accused."""
        trained = self._trained(model, task, seed, watch)
        generator = torch.Generator().manual_seed(seed)
        count = min(self.pool * self.triggers, len(task.train_inputs))
        pictures, own = _claims.started("pictures", max(count, self.triggers), task, generator)
        labels = _claims.other_labels(own, task.interface.classes, generator)
        made = targeted(trained, pictures, labels, task.interface, epsilon=self.epsilon, steps=self.steps)
        best = leads(trained, made, labels, task.interface).argsort(descending=True, stable=True)[: self.triggers]
        return _claims.pictures_claim(made[best], labels[best], tries=len(made))

    def _trained(self, model: nn.Module, task: Task, seed: int, watch: Watch | None) -> list[nn.Module]:
        parts = [task] * self.surrogates
        if self.disjoint:
            shares = {str(index): 1 / self.surrogates for index in range(self.surrogates)}
            parts = list(task.split(shares, seed=seed).values())
        names = self.nets.split(",") if self.nets else [""]
        found = []
        for index, part in enumerate(parts):
            start = _fresh(model, names[index % len(names)], task, seed=seed + index)
            recipe = suggest(
                samples=len(part.train_inputs), normalised=is_normalised(start), trained=False,
                picture=min(task.interface.input_shape[-2:]) >= 32, epochs=self.epochs,
            )  # fmt: skip
            found.append(fit(start, part, recipe, seed=seed + index, watch=watch))
        return found


def _fresh(model: nn.Module, net: str, task: Task, *, seed: int) -> nn.Module:
    """Return an untrained network called ``net``, or of the architecture of ``model``, on the device of ``model``."""
    if net:
        built = build(net, task.interface.input_shape, task.interface.classes, seed=own_seed(seed))
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
