"""Noise on everything that is asked, the same noise on the same query."""

from typing import Annotated

from torch import Tensor

from modelmark.attacks._tools.pictures import filtered
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _content
from modelmark.attacks.fields import Within, sweep
from modelmark.attacks.results import Answer


class InputNoise(Evasion, family="preprocessing", pictures=True):
    """Add Gaussian noise to each picture before the stolen model sees it.

    The noise follows from the seed and the picture: asking twice gives one answer, in whatever batch.

    Source: Lukas et al. 2022, arXiv 2108.04974; there with deviations 0.01, 0.03, 0.05 and 0.1. Against adversarial pictures:
    Zantedeschi, Nicolae, Rawat 2017, arXiv 1707.06728.
    """

    strengths = sweep(std=(0.01, 0.03, 0.05, 0.1, 0.2))

    std: Annotated[float, Within(0, 10, open="low"), "deviation, as a share of a pixel's full scale"] = 0.1

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that is asked about noisy pictures."""

        def noisy(pictures: Tensor) -> Tensor:
            prints = _content.fingerprints(pictures, thief.seed)
            return pictures + self.std * _content.normal(prints, pictures[0].numel()).view_as(pictures)

        return filtered(answer, thief.task.feed, noisy)
