"""Two tasks at once: features that serve both have no room for what serves neither."""

from typing import Annotated, Literal

from torch import nn

from modelmark.attacks._tools.side_tasks import Given, SideTask, Turns
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.extraction._pictures import pictures
from modelmark.attacks.fields import Batch, Epochs, Positive, Rate
from modelmark.feeds.tensors import Normalise

_DRAWN = 2000  # pictures


class MultiTask(Removal, family="fine-tuning", pictures=True):
    """Fine-tune on a second task beside the first, so that what only triggers use is written over.

    The second task has a head of its own on the same features: by how much pictures are turned, or which of five families a
    picture drawn by rule is of. Its head goes when training ends.

    Source: own construction; catastrophic forgetting: McCloskey and Cohen 1989, "Catastrophic interference in connectionist
    networks"; turns as a task without labels: Gidaris et al. 2018, arXiv 1803.07728.
    """

    strengths = (
        {"beside": "turns"},
        {},
        {"rate": 0.05, "weight": 3.0},
        {"rate": 0.1, "weight": 3.0},
        {"rate": 0.2, "weight": 3.0, "epochs": 20},
    )

    beside: Annotated[Literal["turns", "drawn"], "what is told apart: turns of pictures, or pictures drawn by rule"] = (
        "drawn"
    )
    weight: Annotated[Positive, "of the second task in the loss"] = 1.0
    rate: Rate = 0.02
    epochs: Epochs = 10
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model.

        Raises:
            UsageError: the last layer is no linear layer.
        """
        return thief.tune(stolen, self, hooks=lambda copied: self._side(copied, thief))

    def _side(self, copied: nn.Module, thief: Thief) -> SideTask:
        feed, seed = thief.task.feed, thief.seed
        if self.beside == "turns":
            return Turns(copied, feed.input_shape, self.weight, seed)
        images, kinds = pictures(feed, _DRAWN, family="mixed", seed=seed)
        device = next(copied.parameters()).device
        return Given(copied, Normalise(feed)(images.to(device)), kinds.to(device), self.weight, seed)
