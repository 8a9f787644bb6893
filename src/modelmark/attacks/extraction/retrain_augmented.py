"""Retraining with strong augmentation: every picture is asked once and shown to the student in many forms."""

from typing import Annotated

from torch import nn

from modelmark.attacks._tools.augment import Colours, Holes, Shifts
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, retrained
from modelmark.attacks.fields import Share
from modelmark.training.hooks import Composed


class RetrainAugmented(Extraction, family="retraining", pictures=True):
    """New weights, trained on the stolen model's labels of the thief's pictures, shifted, recoloured and with a hole.

    The label is that of the clean picture: what the stolen model would say of a changed one is never asked, and fine
    differences between its answers do not reach the student. It takes more passes than others do: on 718 digits nine points are
    lost at the suggested number, one at 60.

    Source: DeVries and Taylor 2017, arXiv 1708.04552; the hole, beside the usual shifts and changes of colour.
    """

    shift: Annotated[Share, "by which a picture moves at most, of each side"] = 0.125
    side: Annotated[Share, "of the hole, of the shorter side of the picture; at least one pixel"] = 0.25
    colour: Annotated[Share, "change of each channel's contrast and brightness at most, after preprocessing"] = 0.2
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        return retrained(
            stolen, thief, task=labelled(stolen, thief.task), epochs=self.epochs,
            hooks=lambda copied: Composed([Shifts(self.shift), Colours(self.colour), Holes(self.side)]),
        )  # fmt: skip
