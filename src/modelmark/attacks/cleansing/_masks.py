"""One factor a channel, applied by forward hooks while it is learned and folded into the weights afterwards.

A *unit* is a batch norm, or a convolution or linear layer that no batch norm follows: its output is a weight's part plus a
bias, ``y = a + b``, of which a mask scales both parts or one. The head is no unit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Thief
from modelmark.attacks.fields import Positive, Share
from modelmark.errors import UsageError
from modelmark.networks import layers
from modelmark.training.hooks import Hooks
from modelmark.training.loop import run
from modelmark.training.recipe import constant

MaskRate = Annotated[Positive, "learning rate of the masks"]
Threshold = Annotated[Share, "channels with a smaller mask are cut"]


def units(model: nn.Module) -> list[str]:
    """Return the paths of all units in the order of their definition.

    Raises:
        UsageError: the model is a single layer.
    """
    inner, head = layers.unwrapped(model), layers.head(model)
    marked = {layer.path for layer in layers.markable(model)}
    leaves = [(name, module) for name, module in inner.named_modules() if not list(module.children())]
    found = []
    for index, (name, module) in enumerate(leaves):
        following = leaves[index + 1][1] if index + 1 < len(leaves) else None
        if _is_norm(module) or (
            name in marked
            and name != head
            and not (_is_norm(following) and len(_weight(following)) == len(_weight(module)))
        ):
            found.append(name)
    if not found:
        raise UsageError("expected a model with a hidden layer, found none")
    return found


class Masks(Hooks):
    """Learns one factor in [0, 1] a channel; train it with ``learned``.

    Args:
        model: the copy that ``fit`` trains; only the masks change.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.paths = units(model)
        modules = [layers.unwrapped(model).get_submodule(path) for path in self.paths]
        self.masks = nn.ParameterList(_weight(module).new_ones(len(_weight(module))) for module in modules)
        self.noise: Sequence[tuple[Tensor, Tensor]] | None = None
        self._handles = [module.register_forward_hook(self._hook(index)) for index, module in enumerate(modules)]

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Keep the masks in [0, 1]."""
        for mask in self.masks:
            mask.clamp_(0, 1)

    def finish(self, model: nn.Module) -> None:
        """Leave the model as it was."""
        self.after_step(model)
        for handle in self._handles:
            handle.remove()

    def _hook(self, index: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def scale(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            mask = self.masks[index]
            delta, xi = (0.0, 0.0) if self.noise is None else self.noise[index]
            bias: Tensor | None = getattr(module, "bias", None)
            if bias is None:
                return _along(mask + delta, module, output) * output
            shift = (1 + xi) * bias - (mask + delta) * bias
            return _along(mask + delta, module, output) * output + _along(shift, module, output)

        return scale


def learned(masks: Callable[[nn.Module], Masks], model: nn.Module, attack: Any, thief: Thief) -> dict[str, Tensor]:
    """Return each unit's masks, ``(channels,)`` in [0, 1], trained while weights and statistics of ``model`` are held.

    ``rate``, ``epochs`` and ``batch`` are those of ``attack``.
    """
    _, found = run(
        model, thief.task, constant(attack.epochs, attack.rate, batch=attack.batch, nesterov=False), masks,
        seed=thief.seed, trainable=lambda name: False, frozen_statistics=True, watch=thief.watch,
    )  # fmt: skip
    return {path: mask.detach() for path, mask in zip(found.paths, found.masks, strict=True)}


@torch.no_grad()
def prune(model: nn.Module, cuts: Mapping[str, Tensor], *, biases: bool = False) -> nn.Module:
    """Return ``model`` with the weights of some channels at zero.

    Args:
        model: changed in place.
        cuts: unit to the channels to cut, bool ``(channels,)`` or indices.
        biases: zero their biases too, so that nothing is left of their outputs.
    """
    for path, cut in cuts.items():
        for name, parameter in layers.unwrapped(model).get_submodule(path).named_parameters():
            if biases or name == "weight":
                parameter[cut] = 0
    return model


def below(masks: Mapping[str, Tensor], threshold: float) -> dict[str, Tensor]:
    """Return the channels whose masks are below ``threshold``; the strongest channel of every unit is kept."""
    cuts = {}
    for path, values in masks.items():
        cuts[path] = values < threshold
        cuts[path][values.argmax()] = False
    return cuts


def _is_norm(module: Any) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine


def _weight(module: Any) -> Tensor:
    weight: Tensor = module.weight
    return weight


def _along(values: Tensor, module: nn.Module, output: Tensor) -> Tensor:
    """Return ``(channels,)`` values in a shape that broadcasts over an output, whose channels a linear layer has last."""
    return values if isinstance(module, nn.Linear) else values.view(-1, *(1 for _ in output.shape[2:]))
