"""A random answer to queries that do not look like the thief's inputs."""

from typing import Annotated

from torch import Tensor

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _content, _nets, _outliers
from modelmark.attacks.fields import sweep
from modelmark.attacks.results import Answer


class Randomise(Evasion, feeds=NUMBERS):
    """Give inputs that a density of the thief's finds improbable a random class, the same each time.

    An owner sees answers like those of any other model, where ``refuse`` gives itself away. Five samples of data are needed at
    least.

    Source: Hitaj and Mancini 2018, arXiv 1809.00615; a detector, and a random class where it fires.
    Departs: the detector is the density of ``refuse``; theirs is a trained network.
    """

    strengths = sweep(loss=(0.0, 0.01, 0.02, 0.05, 0.1))

    components: _outliers.Components = 0.9
    loss: Annotated[_nets.Loss, "share of the thief's held-out inputs that may be answered at random"] = 0.01

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that answers at random outside."""
        feed = thief.task.feed
        outside = _outliers.by_numbers(thief.task, components=self.components, loss=self.loss, seed=thief.seed)

        def asked(inputs: Tensor) -> Tensor:
            drawn = _content.labels(_content.of_queries(inputs, feed, thief.seed), feed.classes)
            return _outliers.replaced(answer(inputs), outside(inputs), drawn)

        return asked
