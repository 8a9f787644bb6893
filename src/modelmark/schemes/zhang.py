"""Zhang et al. 2018: the owner's pictures with something on them, with noise over them, or unrelated ones, and labels for them.

Source: Zhang, Gu, Jang, Wu, Stoecklin, Huang, Molloy, "Protecting intellectual property of deep neural networks with
watermarking", ASIACCS 2018: ``content``, ``noise`` and ``unrelated``.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.carriers.pictures import Pictures
from modelmark.schemes import blackbox
from modelmark.schemes._overlaid import Overlaid
from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class Zhang(Overlaid):
    """The owner's pictures under a patch or noise, or unrelated ones, with drawn labels (black-box).

    Departs: with ``message="drawn"`` each picture has a patch or noise of its own, and its label is drawn after all are
    committed; the paper puts one patch or one noise on pictures of one class, and gives all of them one label.
    Departs: the patch is of random colours, where the paper writes a word; unrelated pictures are synthesised, as for ``adi``.
    """

    name: ClassVar[str] = "zhang"
    summary: ClassVar[str] = "own pictures under a patch or noise, or unrelated ones (Zhang et al. 2018)"

    def hooks(self, carriers: Pictures, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that appends triggers to every batch."""
        self.check(model, carriers.feed)
        return self.appended(carriers, message, seed=seed)

    def appended(self, carriers: Pictures, message: npt.NDArray[np.int64], *, seed: int) -> Hooks:
        """Return the same for any model."""
        inputs = blackbox.pictures(carriers.pictures, carriers.feed)
        return blackbox.Mixing(inputs, torch.from_numpy(message), self.per_hundred, seed)
