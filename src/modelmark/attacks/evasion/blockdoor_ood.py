"""BlockDoor against out-of-distribution triggers: no answer where features lie far from every class."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _content, _density, _nets, _outliers
from modelmark.attacks.fields import Part
from modelmark.attacks.results import Answer
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.suspects.base import ABSTAIN


class BlockdoorOod(Evasion, feeds=NUMBERS):
    """Refuse queries whose features, in a network of the thief's, lie far from the mean of every class.

    With few samples a mark may nearly stay (``docs/attacks.md``), and white noise is refused in part, where ``refuse`` catches
    all of it. Five samples of data are needed at least.

    Source: Puah et al. 2024, arXiv 2412.12194; "BlockDoor", the wrapper against out-of-distribution triggers.
    Departs: the detector, of which the paper's readable parts say no more than that it is a separate one, is the distance
    of Lee et al. 2018, arXiv 1807.03888, section 2.1 (Gaussian classes with one covariance), on the input of the head.
    """

    instead: Annotated[Literal["refuse", "random"], "no answer, or a random label fixed by the query"] = "refuse"
    components: Annotated[Part, "of the features' variance that principal components hold"] = 0.9
    loss: Annotated[_nets.Loss, "share of the thief's held-out inputs that may count as outside"] = 0.01
    epochs: _nets.Epochs = 0

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API with the wrapper."""
        feed, normalise = thief.task.feed, Normalise(thief.task.feed)
        learned, held = _nets.halves(_nets.hard(thief.task), thief.seed)
        net = _nets.trained(learned, epochs=self.epochs, seed=thief.seed, watch=thief.watch)
        head = layers.head(net)

        def features(inputs: Tensor) -> Tensor:
            return taps.activations(net, head, inputs)

        found, targets = features(normalise(learned.train_inputs)), learned.train_targets
        means = torch.stack([found[targets == label].mean(dim=0) for label in targets.unique()])
        centres = means[torch.searchsorted(targets.unique(), targets)]
        density = _density.fitted(found, self.components, seed=thief.seed, centres=centres)
        homes = density.whitened(means)

        def distance(inputs: Tensor) -> Tensor:
            return torch.cdist(density.whitened(features(inputs)), homes).amin(dim=1)

        scores = distance(normalise(held.train_inputs))
        limit = _nets.threshold(scores, torch.ones_like(scores, dtype=torch.bool), self.loss)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            prints = _content.of_queries(inputs, feed, thief.seed)
            random = self.instead == "random"
            other = _content.labels(prints, feed.classes) if random else torch.full_like(given, ABSTAIN)
            return _outliers.replaced(given, distance(inputs) > limit, other)

        return asked
