"""Structured pruning: whole channels go, and the network becomes smaller."""

import warnings
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Epochs, Rate, Within, sweep
from modelmark.errors import MissingPackageError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers
from modelmark.suspects.module import logits


class PruneChannels(Removal, family="pruning"):
    """Remove the channels with the smallest weights from every layer, then fine-tune a smaller network.

    A channel goes from everything that shares it. The result has other shapes: the published white-box readings find no place
    to read from. Alignment to the host puts silent channels where some were cut, and loses only what those carried.

    Source: Li et al. 2017, arXiv 1608.08710; "Pruning filters for efficient ConvNets". Dependencies by torch-pruning (Fang et
    al. 2023, arXiv 2301.12900).
    """

    strengths = sweep(amount=(0.1, 0.2, 0.3, 0.5, 0.7))

    amount: Annotated[float, Within(0, 1, open="high"), "of the channels of every layer to remove"] = 0.3
    rate: Rate = 0.02
    epochs: Epochs = 8
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the smaller network.

        Raises:
            MissingPackageError: torch-pruning is not installed.
            UsageError: it cannot cut this network, such as one whose heads share a layer.
        """
        try:
            import torch_pruning
        except ImportError:
            raise MissingPackageError(
                "expected torch-pruning to be installed", hint="pip install 'modelmark[attacks]'"
            ) from None
        small = layers.unwrapped(stolen)
        example = Normalise(thief.task.feed)(thief.task.train_inputs[:2].to(next(small.parameters()).device))
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            try:
                torch_pruning.pruner.BasePruner(
                    small,
                    example,
                    importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
                    pruning_ratio=self.amount,
                    ignored_layers=[small.get_submodule(layers.head(small))],
                ).step()
                logits(small, example)
            except (RuntimeError, ValueError, AttributeError, TypeError, AssertionError) as error:
                raise UsageError(
                    f"expected channels that torch-pruning can follow and cut, got: {(str(error) or 'others')[:120]}",
                    hint="of transformers, prune-heads and prune-depth cut heads and blocks",
                ) from None
        return thief.tune(small, self)
