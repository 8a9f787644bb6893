"""BlockDoor against wrongly labelled triggers: a random answer where a model of the thief's disagrees."""

from typing import ClassVar

import torch
from torch import Tensor

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _content, _nets
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.task import Task
from modelmark.training import Watch


class BlockdoorLabels(Attack):
    """Compare each answer with a second model's and answer at random, but not as the stolen model does, where they differ.

    Source: Puah et al. 2024, "BlockDoor", arXiv 2412.12194, the wrapper against triggers with random labels. Its genuine
    disagreements are answered wrongly, too: the clean loss grows with the second model's errors.
    Departs: the second model is one network trained on the thief's data; theirs reads features of a VGG16 trained on
    ImageNet, which cannot be downloaded here, and assigns labels with a support vector machine and Hungarian matching.
    Departs: it overrules the stolen model only from a preference that costs at most ``loss`` right answers of held-out data;
    with a loss of 1 every disagreement counts, as published.

    Marks in the weights stay as they are.

    Args:
        loss: share of right answers that may be lost on the thief's held-out data.
        epochs: of the second model; 0: as many as make 300 steps, ten at least.
    """

    name: ClassVar[str] = "blockdoor-labels"
    summary: ClassVar[str] = "random answers where a second model of the thief's disagrees"
    source: ClassVar[str] = "Puah et al. 2024, arXiv 2412.12194"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "query-filter"
    strengths: ClassVar[Strengths] = ({},)

    loss: float = 0.01
    epochs: int = 0

    def __post_init__(self) -> None:
        _nets.require_loss(self.loss, self.epochs)

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the API with the wrapper; it needs five samples of the thief's data at least."""
        interface = task.interface
        second, limit = _nets.judge(answer, task, loss=self.loss, epochs=self.epochs, seed=seed, watch=watch)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            _, preferred = _nets.disagreement(second, inputs, given)
            prints = _content.fingerprints(_pictures.shown(inputs, interface), seed).to(given.device)
            return torch.where(preferred > limit, _content.other_labels(prints, given, interface.classes), given)

        return asked
