"""Deployment: a tool writes the model as it is shipped, and what the file holds goes back into the network."""

from abc import abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from torch import Tensor, nn

from modelmark.attacks._tools.packages import quiet
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.deployment._folding import folded
from modelmark.attacks.deployment._reading import put_back
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.files import open_weights

CALIBRATION = 64
"""Inputs of the thief's that quantisers see."""


class Deployment(Removal, family="deployment"):
    """A tool that writes a file.

    Args:
        folds: whether it folds batch norm into the layer before.
    """

    folds: ClassVar[bool] = True

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with the weights of the file that the tool wrote.

        Raises:
            MissingPackageError: the tool is not installed.
            UsageError: it cannot write this model.
        """
        inputs = fed(thief, CALIBRATION)
        with TemporaryDirectory() as folder:
            with quiet():
                path = self.written(stolen, inputs, Path(folder))
            if self.folds:
                folded(stolen, inputs[:1])
            put_back(stolen, open_weights(path))
        return stolen

    @abstractmethod
    def written(self, model: nn.Module, inputs: Tensor, folder: Path) -> Path:
        """Write the model into an empty folder and return where.

        Args:
            model: left as it is.
            inputs: of the thief's, as ``forward`` takes them.
            folder: empty.
        """


def fed(thief: Thief, count: int) -> Tensor:
    """Return the thief's first inputs as ``forward`` takes them."""
    return Normalise(thief.task.feed)(thief.task.train_inputs[:count])
