"""BlockDoor against adversarial triggers: what a detector finds adversarial is answered from its reconstruction."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import PICTURES
from modelmark.attacks._tools.pictures import filtered
from modelmark.attacks._tools.targeted import Epsilon, targeted
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _autoencoder, _content, _nets, _outliers
from modelmark.attacks.fields import Count
from modelmark.attacks.results import Answer
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits
from modelmark.training.task import Task

_PAIR = ("normal", "adversarial")


class BlockdoorAdversarial(Evasion, pictures=True, feeds=PICTURES):
    """Answer what a detector of the thief's finds adversarial from an autoencoder's reconstruction.

    The detector learns the thief's pictures against adversarial copies of them, made on a network of his own by targeted
    projected gradient descent (Madry et al. 2018, arXiv 1706.06083) towards random other labels. What it never saw may pass: null
    patterns, outside a picture's range, do. Five samples of data are needed at least.

    Source: Puah et al. 2024, arXiv 2412.12194; "BlockDoor", the wrapper against triggers with adversarial noise.
    Departs: their detector is a modified ResNet; here an architecture that suits the inputs, from scratch.
    Departs: their second step, of which the readable parts say no more than that it is there, is left out: where the
    reconstruction has the same label, both answers are one.
    """

    epsilon: Annotated[Epsilon, "largest change of a pixel in what the detector learns, of 255"] = 48.0
    descents: Annotated[Count, "steps of gradient descent"] = 10
    loss: _nets.Loss = 0.01
    code: Annotated[Count, "channels of the autoencoder's code"] = 8
    steps: Annotated[Count, "of the autoencoder's training"] = 300
    epochs: Annotated[_nets.Epochs, "of both networks; 0: as many as make 300 steps, ten at least"] = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API with the wrapper."""
        feed, normalise = thief.task.feed, Normalise(thief.task.feed)
        learned, held = _nets.halves(_nets.hard(thief.task), thief.seed)
        detector = self._detector(learned, thief)
        memory = _autoencoder.trained(
            learned.train_inputs, code=self.code, noise=0.1, steps=self.steps, seed=thief.seed
        )
        repaired = filtered(answer, feed, lambda x: _autoencoder.repeated(memory, x))

        right = [_nets.answers(api, held.train_inputs, feed) == held.train_targets for api in (answer, repaired)]
        scores = _adversarial(detector, normalise(held.train_inputs))
        limit = _nets.threshold(scores.clamp(min=0), right[0] & ~right[1], self.loss)

        def asked(inputs: Tensor) -> Tensor:
            return _outliers.replaced(answer(inputs), _adversarial(detector, inputs) > limit, repaired(inputs))

        return asked

    def _detector(self, task: Task, thief: Thief) -> nn.Module:
        """Return a network with two outputs, normal and adversarial."""
        net = _nets.trained(task, epochs=self.epochs, seed=thief.seed, watch=thief.watch)
        clean, labels = task.train_inputs, task.train_targets
        prints = _content.fingerprints(clean / 255, thief.seed)
        wanted = _content.other_labels(prints, labels, task.feed.classes)
        spoilt = targeted([net], clean, wanted, Extent.of(task), epsilon=self.epsilon, steps=self.descents)
        both = replace(
            task,
            feed=replace(task.feed, class_names=_PAIR),
            train_inputs=torch.cat([clean, spoilt.to(clean.device)]),
            train_targets=torch.cat([torch.zeros_like(labels), torch.ones_like(labels)]),
            test_labels=torch.zeros_like(task.test_labels),
        )
        return _nets.trained(both, epochs=self.epochs, seed=thief.seed + 1, watch=thief.watch)


def _adversarial(detector: nn.Module, inputs: Tensor) -> Tensor:
    """Return by how much the detector prefers ``adversarial``, in logits, ``(N,)``."""
    outputs = logits(detector, inputs)
    return outputs[:, 1] - outputs[:, 0]
