"""Depth pruning: whole blocks go, and the network becomes shallower."""

from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools import blocks
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Rate, sweep
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.suspects.module import logits

_SHOWN = 64


class PruneDepth(Removal, family="pruning"):
    """Drop the blocks that change least what passes through them, then fine-tune.

    How much a block changes is one less the cosine between what it receives and what it gives, on the thief's inputs. Blocks
    behind a dropped one get other numbers in their names: a mark of a layer that is found by its name is looked for in another.

    Source: Men et al. 2024, arXiv 2403.03853; "ShortGPT"; tuned afterwards as in Gromov et al. 2024, arXiv 2403.17887.
    """

    strengths = sweep(blocks=(1, 2, 3, 4, 6))

    blocks: Annotated[Count, "to drop; one block stays"] = 1
    rate: Rate = 0.02
    epochs: Epochs = 4
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the shallower model.

        Raises:
            UsageError: there are no blocks, or what they give is not what they take.
        """
        model = layers.unwrapped(stolen)
        found = blocks.stack(model)
        inputs = Normalise(thief.task.feed)(thief.task.train_inputs[:_SHOWN])
        changes = influence(model, found, inputs)
        dropped = set(changes.argsort(stable=True)[: min(self.blocks, len(found) - 1)].tolist())
        blocks.cut(model, found, [index for index in range(len(found)) if index not in dropped])
        return thief.tune(model, self)


def influence(model: nn.Module, found: nn.ModuleList | nn.Sequential, inputs: Tensor) -> Tensor:
    """Return how much each block changes what it receives, one less the mean cosine, ``(blocks,)``.

    Raises:
        UsageError: a block gives something of another shape than it takes.
    """
    seen: dict[int, Tensor] = {}

    def record(number: int) -> object:
        def hook(module: nn.Module, given: tuple[Tensor, ...], output: object) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            if not isinstance(first, Tensor) or not given or first.shape != given[0].shape:
                raise UsageError("expected blocks that give what they take, such as a transformer's, got others")
            seen[number] = 1 - torch.cosine_similarity(given[0].flatten(1), first.flatten(1)).mean()

        return found[number].register_forward_hook(hook)

    handles = [record(number) for number in range(len(found))]
    try:
        logits(model, inputs)
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]
    if len(seen) < len(found):
        raise UsageError("expected blocks that are each given a tensor, got others")
    return torch.stack([seen[number] for number in range(len(found))])
