"""BlockDoor against out-of-distribution triggers: no answer where features lie far from every class."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from modelmark import layers, taps
from modelmark.attacks._tools import pictures as _pictures
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.evasion import _content, _density, _nets, _outliers
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer
from modelmark.preprocess import Normalise
from modelmark.suspect import ABSTAIN
from modelmark.task import Task
from modelmark.training import Watch


class BlockdoorOod(Attack):
    """Train a network on the thief's data and refuse queries whose features lie far from the mean of every class.

    Source: Puah et al. 2024, "BlockDoor", arXiv 2412.12194, the wrapper against out-of-distribution triggers.
    Departs: the detector, of which the paper's readable parts say no more than that it is a separate one, is the distance
    of Lee et al. 2018, arXiv 1807.03888, section 2.1 (Gaussian classes with one covariance), on the input of the head.

    Marks in the weights stay as they are. With few samples a mark may nearly stay (``docs/attacks.md``), and white noise is
    refused in part, where ``refuse`` catches all of it.

    Args:
        instead: ``refuse``, or a ``random`` label, always the same for the same query.
        components: share of the features' variance that principal components hold.
        loss: share of the thief's held-out inputs that may count as outside.
        epochs: of the network; 0: as many as make 300 steps, ten at least.
    """

    name: ClassVar[str] = "blockdoor-ood"
    summary: ClassVar[str] = "no answer where a network of the thief's sees no class"
    source: ClassVar[str] = "Puah et al. 2024, arXiv 2412.12194"
    kind: ClassVar[Kind] = "evasion"
    family: ClassVar[str] = "query-filter"
    strengths: ClassVar[Strengths] = ({},)

    instead: Literal["refuse", "random"] = "refuse"
    components: float = 0.9
    loss: float = 0.01
    epochs: int = 0

    def __post_init__(self) -> None:
        _nets.require_loss(self.loss, self.epochs)
        if not 0 < self.components <= 1:
            raise ValueError(f"expected a share of components above 0, at most 1, got {self.components}")

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the API with the wrapper; it needs five samples of the thief's data at least."""
        interface, normalise = task.interface, Normalise(task.interface)
        shown, held = _nets.halves(_nets.hard(task), seed)
        net = _nets.trained(shown, epochs=self.epochs, seed=seed, watch=watch)
        head = layers.head(net)

        def features(inputs: Tensor) -> Tensor:
            return taps.activations(net, head, inputs)

        found, targets = features(normalise(shown.train_inputs)), shown.train_targets
        means = torch.stack([found[targets == label].mean(dim=0) for label in targets.unique()])
        centres = means[torch.searchsorted(targets.unique(), targets)]
        density = _density.fitted(found, self.components, seed=seed, centres=centres)
        homes = density.whitened(means)

        def distance(inputs: Tensor) -> Tensor:
            return torch.cdist(density.whitened(features(inputs)), homes).amin(dim=1)

        scores = distance(normalise(held.train_inputs))
        limit = _nets.threshold(scores, torch.ones_like(scores, dtype=torch.bool), self.loss)

        def asked(inputs: Tensor) -> Tensor:
            given = answer(inputs)
            prints = _content.fingerprints(_pictures.shown(inputs, interface), seed)
            random = self.instead == "random"
            other = _content.labels(prints, interface.classes) if random else torch.full_like(given, ABSTAIN)
            return _outliers.replaced(given, distance(inputs) > limit, other)

        return asked
