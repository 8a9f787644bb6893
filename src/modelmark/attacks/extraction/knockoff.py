"""Knockoff nets: a copy trained on answers to pictures that have nothing to do with the task."""

from typing import ClassVar, Literal

from torch import nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.extraction._answers import softened
from modelmark.attacks.extraction._pictures import pictures
from modelmark.attacks.extraction._students import drawn_anew, refuse_negative, schedule
from modelmark.attacks.fields import Strengths
from modelmark.task import Task
from modelmark.training import Watch, fit


class Knockoff(Attack):
    """Train from new weights on the stolen model's probabilities for foreign pictures; the thief's inputs are not used.

    Source: Orekondy et al. 2019, arXiv 1812.02766, random strategy.
    Departs: they query photographs (ImageNet, Open Images); here the pictures are drawn by rule, for none can be
    downloaded. No adaptive choice of queries.

    Triggers that are foreign pictures too may be copied along: in the digits audit 2,000 queries leave 38 of Adi's
    100 trigger labels at 54 % accuracy; in the tests 16,000 leave at least 60 at 85 % or more.

    Args:
        data: family of pictures, ``curves``, ``bumps``, ``gratings``, ``boxes``, ``clouds``; ``mixed``: all in turn.
        queries: pictures asked; the default is too few for more than a rough copy.
        epochs: passes over them; 0: as suggested for their number.
    """

    name: ClassVar[str] = "knockoff"
    summary: ClassVar[str] = "new weights, trained on answers to pictures foreign to the task"
    source: ClassVar[str] = "Orekondy et al. 2019, arXiv 1812.02766"
    kind: ClassVar[Kind] = "extraction"
    family: ClassVar[str] = "foreign queries"
    strengths: ClassVar[Strengths] = ({},)

    data: Literal["mixed", "curves", "bumps", "gratings", "boxes", "clouds"] = "mixed"
    queries: int = 2000
    epochs: int = 0

    def __post_init__(self) -> None:
        refuse_negative(self.epochs)
        if self.data not in ("mixed", "curves", "bumps", "gratings", "boxes", "clouds"):
            raise ValueError(f"expected a family of pictures, got {self.data!r}")
        if self.queries < 1:
            raise ValueError(f"expected at least one query, got {self.queries}")

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the student.

        Raises:
            UsageError: inputs are no pictures.
        """
        images, _ = pictures(task.interface, self.queries, family=self.data, seed=seed)
        asked = softened(model, task, images)
        student = drawn_anew(model, seed=seed)
        return fit(student, asked, schedule(student, asked, self.epochs), seed=seed, watch=watch)
