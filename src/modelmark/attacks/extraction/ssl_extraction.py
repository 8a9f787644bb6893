"""Extraction led by features that were learned without labels: few queries, far apart, and no outliers among them."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from modelmark.attacks._tools.augment import Colours, Holes, Shifts
from modelmark.attacks._tools.side_tasks import Contrast
from modelmark.attacks.base import Extraction, Thief
from modelmark.attacks.extraction._answers import labelled
from modelmark.attacks.extraction._students import Passes, drawn_anew, schedule, taught
from modelmark.attacks.fields import Count, Part, Positive, Within
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.training.hooks import Composed

_NEAREST = 5


class SslExtraction(Extraction, family="chosen queries", pictures=True):
    """New weights, trained without labels on the thief's pictures, then on the stolen labels of a few that cover them.

    Features are learned by contrast on all of the thief's pictures. In them he leaves out the pictures that lie farthest from
    their neighbours, which is where marked samples would be, and walks from the one nearest to the middle to whichever lies
    farthest from all that were taken, until he has as many as he wants to ask about.

    Source: Luan et al. 2026, "Dataset reduction and watermark removal via self-supervised learning for model extraction attack",
    NDSS; contrast: Chen et al. 2020, arXiv 2002.05709.
    Departs: of the paper the abstract alone was read: their walk is greedy and random, ours greedy; the student is the network
    that learned without labels, trained on as a whole.
    """

    strengths = ({"share": 0.1}, {}, {"share": 0.5})

    share: Annotated[Part, "of the thief's pictures that is asked about"] = 0.25
    outliers: Annotated[
        float, Within(0, 1, open="high"), "share of the pictures that is too far off to be asked about"
    ] = 0.1
    temperature: Annotated[Positive, "of the contrast"] = 0.5
    pretext_epochs: Annotated[Count, "passes without labels over all of the thief's pictures"] = 30
    epochs: Passes = 0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the student; the thief's own labels are not used."""
        task, fresh = thief.task, drawn_anew(stolen, seed=thief.seed)
        before = thief.fit(
            fresh, schedule(fresh, task, self.pretext_epochs),
            hooks=lambda copied: Contrast(copied, Composed([Shifts(0.125), Colours(0.3), Holes(0.3)]), self.temperature),
        )  # fmt: skip
        features = taps.activations(before, layers.head(before), Normalise(task.feed)(task.train_inputs), batch=1024)
        chosen = spread_out(features, max(round(self.share * len(features)), 1), self.outliers)
        asked = labelled(stolen, task, task.train_inputs[chosen.to(task.train_inputs.device)])
        return taught(before, thief, task=asked, epochs=self.epochs)


def spread_out(features: Tensor, count: int, outliers: float) -> Tensor:
    """Return which inputs to ask about, int64 ``(count,)`` or fewer, in the order in which they were taken.

    Args:
        features: ``(N, M)``; their directions are looked at.
        count: how many to take.
        outliers: share that is left out first: whose mean cosine with their five nearest is smallest.
    """
    unit = normalize(features - features.mean(dim=0), dim=1)
    crowd = torch.cat([_crowded(part, unit) for part in unit.split(1024)])
    kept = crowd.argsort(descending=True, stable=True)[: max(round((1 - outliers) * len(unit)), 1)].sort().values
    unit = unit[kept]
    taken = [int((unit @ unit.mean(dim=0)).argmax())]
    nearest = unit @ unit[taken[0]]
    for _ in range(min(count, len(unit)) - 1):
        nearest[taken[-1]] = torch.inf
        taken.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, unit @ unit[taken[-1]])
    return kept[torch.tensor(taken, device=kept.device)]


def _crowded(part: Tensor, unit: Tensor) -> Tensor:
    """Return the mean cosine of each with its nearest, itself left out, ``(len(part),)``."""
    most = min(_NEAREST + 1, len(unit))
    return ((part @ unit.T).topk(most, dim=1).values.sum(dim=1) - 1) / max(most - 1, 1)
