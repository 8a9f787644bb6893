"""Structured pruning: whole channels go, and the network becomes smaller."""

import copy
import warnings
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.tuning._settings import require
from modelmark.errors import MissingPackageError
from modelmark.preprocess import Normalise
from modelmark.recipe import constant
from modelmark.task import Task
from modelmark.training import Watch, fit


class PruneChannels(Attack):
    """Remove the channels with the smallest weights from every layer, through everything that shares them, then fine-tune.

    The result has other shapes: the published white-box readings find no place to read from. Alignment to the host puts
    silent channels where some were cut, and loses only what those carried.

    Source: Li et al. 2017, "Pruning filters for efficient ConvNets", arXiv 1608.08710; dependencies by torch-pruning (Fang et
    al. 2023, arXiv 2301.12900).

    Args:
        amount: share of the channels of every layer to remove, below 1.
        rate: learning rate.
        epochs: passes over the thief's data.
        batch: samples a step.

    """

    name: ClassVar[str] = "prune-channels"
    summary: ClassVar[str] = "remove whole channels, then fine-tune a smaller network"
    source: ClassVar[str] = "Li et al. 2017, arXiv 1608.08710"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "pruning"
    strengths: ClassVar[Strengths] = tuple({"amount": amount} for amount in (0.1, 0.2, 0.3, 0.5, 0.7))

    amount: float = 0.3
    rate: float = 0.02
    epochs: int = 8
    batch: int = 64

    def __post_init__(self) -> None:
        require(epochs=self.epochs, batch=self.batch, rate=self.rate)
        if not 0 <= self.amount < 1:
            raise ValueError(f"expected an amount from 0 to below 1, got {self.amount}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the smaller network.

        Raises:
            MissingPackageError: torch-pruning is not installed.
        """
        try:
            import torch_pruning
        except ImportError:
            raise MissingPackageError(
                "expected torch-pruning to be installed", hint="pip install 'modelmark[attacks]'"
            ) from None
        small = copy.deepcopy(layers.unwrapped(model)).eval()
        example = Normalise(task.interface)(task.train_inputs[:2].to(next(small.parameters()).device))
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            torch_pruning.pruner.BasePruner(
                small,
                example,
                importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
                pruning_ratio=self.amount,
                ignored_layers=[small.get_submodule(layers.head(small))],
            ).step()
        recipe = constant(self.epochs, self.rate, batch=self.batch, clip=1.0)
        return fit(small, task, recipe, seed=seed, watch=watch)
