"""New models: the stolen architecture drawn anew, another head on it, and how they are trained."""

import copy
from typing import Annotated, Any

from torch import nn

from modelmark.attacks.base import Thief
from modelmark.attacks.fields import Within
from modelmark.errors import UsageError
from modelmark.networks import layers
from modelmark.seeding import own_seed, seeded
from modelmark.training.loop import suggested
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task

_CONFIGURED = "transformers.modeling_utils.PreTrainedModel"
_SMALL = 5000  # inputs, as ``recipe.suggest`` has it
_SEEN = 17_000  # inputs that a student of small data is shown, repetitions counted

Passes = Annotated[int, Within(0), "passes over the thief's inputs; 0: as suggested for their number"]


def drawn_anew(model: nn.Module, *, seed: int) -> nn.Module:
    """Return a copy of ``model`` of which nothing but the architecture is left: every parameter and statistic is reset.

    Each module's own ``reset_parameters`` draws, which is what its constructor calls; an initialisation that an
    architecture adds to that, as ``wrn-10-4`` does, is not repeated. A model of transformers is made from its configuration.
    Drawn on the CPU: one seed gives one student, and never the network that ``models.build`` makes of that seed.

    Raises:
        UsageError: a module holds parameters and cannot draw them.
    """
    device = next(model.parameters()).device
    inner = layers.unwrapped(model)
    if any(f"{kind.__module__}.{kind.__qualname__}" == _CONFIGURED for kind in type(inner).__mro__):
        with seeded(own_seed(seed)):
            return type(inner)(copy.deepcopy(inner.config)).to(device)  # type: ignore[no-any-return, arg-type]
    student = copy.deepcopy(inner).cpu()
    with seeded(own_seed(seed)):
        for path, module in student.named_modules():
            reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
            if reset is not None:
                reset()
            elif next(module.parameters(recurse=False), None) is not None:
                raise UsageError(
                    f"expected modules that can draw their parameters anew, got {type(module).__name__} at {path!r}",
                    hint="use cross-architecture, which builds its student",
                )
    for parameter in student.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)
    return student.to(device)


def with_head(model: nn.Module, classes: int, *, seed: int) -> nn.Module:
    """Return a copy of ``model`` with a new last layer of ``classes`` outputs.

    Raises:
        UsageError: the last layer is not linear.
    """
    path = layers.head(model)
    model = copy.deepcopy(model)
    old = model.get_submodule(path)
    if not isinstance(old, nn.Linear):
        raise UsageError(f"expected a model whose last layer is linear, got {type(old).__name__} at {path!r}")
    with seeded(seed):
        head = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, head.to(old.weight.device))
    return model


def schedule(student: nn.Module, task: Task, epochs: int = 0) -> Recipe:
    """Return the suggested recipe for a student trained from scratch.

    Args:
        student: untrained.
        task: what it learns from.
        epochs: passes; 0: as suggested for 5,000 inputs and more, and below that 15 to 120, as many as take 17,000 inputs
            past the student: what small data ask for is steps.
    """
    samples = len(task.train_inputs)
    few = min(max(_SEEN // samples, 15), 120) if samples < _SMALL else 0
    return suggested(student, task, epochs=epochs or few)


def retrained(stolen: nn.Module, thief: Thief, **options: Any) -> nn.Module:
    """Return the architecture of ``stolen`` trained from new weights; options are those of ``taught``."""
    return taught(drawn_anew(stolen, seed=thief.seed), thief, **options)


def taught(student: nn.Module, thief: Thief, *, task: Task | None = None, epochs: int = 0, **options: Any) -> nn.Module:
    """Return an untrained ``student`` trained on ``task``, the thief's own unless told otherwise, by ``schedule``."""
    task = task or thief.task
    return thief.fit(student, schedule(student, task, epochs), task=task, **options)
