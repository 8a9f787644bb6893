"""As much noise as accuracy bears, found by trying, and repaired by tuning."""

from dataclasses import replace
from typing import Annotated

from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Positive, Rate, Share
from modelmark.attacks.weights.noise import Noise
from modelmark.training.task import accuracy

_HELD = 1 / 3
"""Of the thief's data, on which he measures what a try costs."""


class Drown(Removal, family="noise"):
    """Search the strongest weight noise, tuned afterwards, that costs no more accuracy than allowed on data held out.

    The search halves the logarithm of the noise, from ``most`` to 64 times less; each try is tuned, and the last that cost
    little enough is what comes back, or the stolen model where none did.

    Source: own construction; the noise is that of Bansal et al. 2022, ICML.
    """

    strengths = (
        {"lost": 0.01, "rate": 0.01},
        {"lost": 0.02},
        {"lost": 0.05},
        {"lost": 0.02, "epochs": 20},
        {"lost": 0.05, "epochs": 20},
    )

    lost: Annotated[Share, "of the answers on data held out that may become wrong"] = 0.03
    most: Annotated[
        Positive, "largest deviation of the noise that is tried, as a share of that of the layer's weights"
    ] = 8.0
    tries: Annotated[Count, "strengths of noise"] = 6
    rate: Rate = 0.05
    epochs: Epochs = 10
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the noisy and tuned model.

        Raises:
            UsageError: the thief has too few samples to hold some out.
        """
        parts = thief.task.split({"kept": 1 - _HELD, "held": _HELD}, seed=thief.seed)
        held = replace(thief.task, test_inputs=parts["held"].train_inputs, test_labels=parts["held"].labels)
        least = accuracy(stolen, held) - self.lost
        best, low, high = stolen, -6.0, 0.0
        for _ in range(self.tries):
            middle = (low + high) / 2
            noisy = Noise(self.most * 2**middle)(stolen, thief.task, seed=thief.seed)
            tuned = thief.tune(noisy, self, task=parts["kept"])
            if accuracy(tuned, held) >= least:
                best, low = tuned, middle
            else:
                high = middle
        return best
