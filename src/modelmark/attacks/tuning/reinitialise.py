"""Re-initialisation: a share of the weights is drawn anew, and the model repaired by distillation from what it was."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.extraction._students import drawn_anew
from modelmark.attacks.fields import Batch, Epochs, Rate, Share
from modelmark.networks import layers


class Reinitialise(Removal, family="fine-tuning"):
    """Draw a share of the weights anew, then learn from the stolen model's answers what they were for.

    Weights are drawn as the layers' own initialisers do. The repair trains all weights on the thief's inputs, with the
    probabilities of the stolen model as targets; nobody's labels are needed.

    Source: own construction; the repair is that of Hinton et al. 2015, arXiv 1503.02531, at temperature 1.
    """

    strengths = (
        {"share": 0.3},
        {"share": 0.5},
        {"share": 0.7, "epochs": 60},
        {"share": 0.9, "epochs": 60, "scope": "filters"},
        {"share": 0.9, "epochs": 60},
    )

    share: Annotated[Share, "of each convolution and linear layer that is drawn anew"] = 0.5
    scope: Annotated[Literal["weights", "filters"], "single weights, or whole filters"] = "weights"
    rate: Rate = 0.05
    epochs: Epochs = 20
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the repaired model.

        Raises:
            UsageError: a module holds parameters and cannot draw them.
        """
        task, generator = thief.task.distilled(stolen), thief.generator()
        fresh = drawn_anew(stolen, seed=thief.seed)
        with torch.no_grad():
            for layer in layers.markable(stolen):
                weight = layers.weight(stolen, layer.path)
                chosen = self._chosen(weight, generator)
                weight.copy_(torch.where(chosen, layers.weight(fresh, layer.path).to(weight), weight))
        return thief.tune(stolen, self, task=task)

    def _chosen(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        shape = weight.shape if self.scope == "weights" else (len(weight), *[1] * (weight.dim() - 1))
        return torch.rand(shape, generator=generator).to(weight.device) < self.share
