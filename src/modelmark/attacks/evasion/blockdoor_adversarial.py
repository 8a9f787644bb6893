"""BlockDoor against adversarial triggers: what a detector finds adversarial is answered from its reconstruction."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks._tools.targeted import targeted
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _autoencoder, _content, _nets, _outliers
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.preprocess import Normalise
from modelmark.suspect import logits
from modelmark.task import Task
from modelmark.training import Watch

_PAIR = ("normal", "adversarial")


class BlockdoorAdversarial(Attack):
    """Train a detector of adversarial pictures and an autoencoder; show the model reconstructions of what is detected.

    The detector learns the thief's pictures against adversarial copies of them, made on a network of his own by targeted
    projected gradient descent (Madry et al. 2018, arXiv 1706.06083) towards random other labels.

    Source: Puah et al. 2024, "BlockDoor", arXiv 2412.12194, the wrapper against triggers with adversarial noise.
    Departs: their detector is a modified ResNet; here an architecture that suits the inputs, from scratch.
    Departs: their second step, of which the readable parts say no more than that it is there, is left out: where the
    reconstruction has the same label, both answers are one.

    Marks in the weights stay as they are. What the detector never saw may pass: null patterns, outside a picture's range, do.

    Args:
        epsilon: largest change of a pixel in what the detector learns, on the scale of 0 to 255.
        descents: steps of gradient descent.
        loss: share of right answers that may be lost on the thief's held-out data.
        code: channels of the autoencoder's code.
        steps: of the autoencoder's training.
        epochs: of both networks; 0: as many as make 300 steps, ten at least.
    """

    name: ClassVar[str] = "blockdoor-adversarial"
    summary: ClassVar[str] = "queries that look adversarial answered from a reconstruction"
    source: ClassVar[str] = "Puah et al. 2024, arXiv 2412.12194"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "query-filter"
    strengths: ClassVar[Strengths] = ({},)

    epsilon: float = 48.0
    descents: int = 10
    loss: float = 0.01
    code: int = 8
    steps: int = 300
    epochs: int = 0

    def __post_init__(self) -> None:
        _nets.require_loss(self.loss, self.epochs)
        if not 0 < self.epsilon <= 255 or min(self.descents, self.steps, self.code) < 1:
            raise ValueError(
                "expected epsilon up to 255 and descents, code and steps of at least 1, "
                f"got {self.epsilon}, {self.descents}, {self.code} and {self.steps}"
            )

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the API with the wrapper; it needs five samples of the thief's data at least.

        Raises:
            UsageError: inputs are no pictures.
        """
        interface, normalise = task.interface, Normalise(task.interface)
        _pictures.require_pictures(interface, self.name)
        shown, held = _nets.halves(_nets.hard(task), seed)
        detector = self._detector(shown, seed, watch)
        memory = _autoencoder.trained(shown.train_inputs, code=self.code, noise=0.1, steps=self.steps, seed=seed)
        repaired = _pictures.filtered(answer, interface, lambda x: _autoencoder.repeated(memory, x))

        right = [_nets.answers(api, held.train_inputs, interface) == held.train_targets for api in (answer, repaired)]
        scores = _adversarial(detector, normalise(held.train_inputs))
        limit = _nets.threshold(scores.clamp(min=0), right[0] & ~right[1], self.loss)

        def asked(inputs: Tensor) -> Tensor:
            return _outliers.replaced(answer(inputs), _adversarial(detector, inputs) > limit, repaired(inputs))

        return asked

    def _detector(self, task: Task, seed: int, watch: Watch | None) -> nn.Module:
        """Return a network with two outputs, normal and adversarial."""
        net = _nets.trained(task, epochs=self.epochs, seed=seed, watch=watch)
        clean, labels = task.train_inputs, task.train_targets
        prints = _content.fingerprints(clean / 255, seed)
        wanted = _content.other_labels(prints, labels, task.interface.classes)
        spoilt = targeted([net], clean, wanted, task.interface, epsilon=self.epsilon, steps=self.descents).to(
            clean.device
        )
        both = replace(
            task,
            interface=replace(task.interface, class_names=_PAIR),
            train_inputs=torch.cat([clean, spoilt]),
            train_targets=torch.cat([torch.zeros_like(labels), torch.ones_like(labels)]),
            test_labels=torch.zeros_like(task.test_labels),
        )
        return _nets.trained(both, epochs=self.epochs, seed=seed + 1, watch=watch)


def _adversarial(detector: nn.Module, inputs: Tensor) -> Tensor:
    """Return by how much the detector prefers ``adversarial``, in logits, ``(N,)``."""
    outputs = logits(detector, inputs)
    return outputs[:, 1] - outputs[:, 0]
