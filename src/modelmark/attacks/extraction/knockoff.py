"""Knockoff nets: a copy trained on answers to pictures that have nothing to do with the task."""

from typing import Annotated, Literal

from torch import nn

from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import softened
from modelmark.attacks.extraction._pictures import pictures
from modelmark.attacks.extraction._students import retrained
from modelmark.attacks.fields import Count, Within


class Knockoff(Extraction, family="foreign queries"):
    """New weights, trained on answers to pictures foreign to the task; the thief's inputs are not used.

    Source: Orekondy et al. 2019, arXiv 1812.02766; random strategy.
    Departs: they query photographs (ImageNet, Open Images); here the pictures are drawn by rule, for none can be
    downloaded. No adaptive choice of queries.

    Triggers that are foreign pictures too may be copied along: in the digits audit 2,000 queries leave 38 of Adi's
    100 trigger labels at 54 % accuracy; in the tests 16,000 leave at least 60 at 85 % or more.
    """

    data: Annotated[
        Literal["mixed", "curves", "bumps", "gratings", "boxes", "clouds"], "family of pictures; mixed: all in turn"
    ] = "mixed"
    queries: Annotated[Count, "pictures asked; the default is too few for more than a rough copy"] = 2000
    epochs: Annotated[int, Within(0), "passes over them; 0: as suggested for their number"] = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student.

        Raises:
            UsageError: inputs are no pictures.
        """
        images, _ = pictures(thief.task.feed, self.queries, family=self.data, seed=thief.seed)
        task = softened(stolen, thief.task, images)
        return retrained(stolen, thief, task=task, epochs=self.epochs)
