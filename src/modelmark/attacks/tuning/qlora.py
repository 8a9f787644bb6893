"""Low-rank fine-tuning over quantised weights, merged."""

from typing import Annotated, Literal

from torch import nn

from modelmark.attacks.base import Thief
from modelmark.attacks.deployment.to_bnb import ToBnb
from modelmark.attacks.tuning.lora import Lora


class Qlora(Lora, family="fine-tuning"):
    """Store the weights in four or eight bits, fine-tune with low rank beside them, and merge.

    What most people do who fine-tune a downloaded model on one card.

    Source: Dettmers et al. 2023, arXiv 2305.14314; "QLoRA".
    Departs: quantised by bitsandbytes as ``to-bnb`` does, trained beside the floats that it gives back.
    """

    strengths = (
        {"weights": "int8", "rank": 4},
        {"weights": "nf4", "rank": 4},
        {"weights": "nf4", "rank": 16},
        {"weights": "nf4", "rank": 16, "rate": 0.1},
        {"weights": "fp4", "rank": 32, "rate": 0.2, "epochs": 20},
    )

    weights: Annotated[Literal["int8", "nf4", "fp4"], "as the frozen ones are stored"] = "nf4"

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with the trained update merged into the weights that the quantiser left.

        Raises:
            MissingPackageError: bitsandbytes is not installed.
            UsageError: the model has no linear layer but the last.
        """
        stored = ToBnb(self.weights)(stolen, thief.task, seed=thief.seed)
        return super().change(stored, thief)
