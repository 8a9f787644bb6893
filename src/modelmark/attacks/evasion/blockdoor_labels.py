"""BlockDoor against wrongly labelled triggers: a random answer where a model of the thief's disagrees."""

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _content, _nets
from modelmark.attacks.results import Answer


class BlockdoorLabels(Evasion, feeds=NUMBERS):
    """Answer at random, but not as the stolen model does, where a second model of the thief's disagrees.

    Its genuine disagreements are answered wrongly, too: the clean loss grows with the second model's errors. Five samples of
    data are needed at least.

    Source: Puah et al. 2024, arXiv 2412.12194; "BlockDoor", the wrapper against triggers with random labels.
    Departs: the second model is one network trained on the thief's data; theirs reads features of a VGG16 trained on
    ImageNet, which cannot be downloaded here, and assigns labels with a support vector machine and Hungarian matching.
    Departs: it overrules the stolen model only from a preference that costs at most ``loss`` right answers of held-out data;
    with a loss of 1 every disagreement counts, as published.
    """

    loss: _nets.Loss = 0.01
    epochs: _nets.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API with the wrapper."""
        feed = thief.task.feed
        second, limit = _nets.judge(answer, thief, loss=self.loss, epochs=self.epochs)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            _, preferred = _nets.disagreement(second, inputs, given)
            prints = _content.of_queries(inputs, feed, thief.seed).to(given.device)
            return torch.where(preferred > limit, _content.other_labels(prints, given, feed.classes), given)

        return asked
