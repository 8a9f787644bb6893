"""A suspect that is a PyTorch module in this process: its answers, its weights and what its layers receive."""

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.errors import SuspectError
from modelmark.feeds.base import Feed
from modelmark.networks import layers, taps
from modelmark.networks.calling import scored
from modelmark.suspects import next_tokens
from modelmark.suspects.base import ABSTAIN, Array, Ask, AskBeyond, AskNext, Probe, Read, ReadEach, Sense, Weigh
from modelmark.suspects.feeding import batch_size, batches, fed
from modelmark.suspects.rows import Filters, beside, finite, sized
from modelmark.suspects.torching import array

_BATCH = 256


@runtime_checkable
class HasNetwork(Protocol):
    """A suspect whose network can be had whole, such as to be aligned."""

    def network(self, feed: Feed, like: nn.Module | None = None) -> nn.Module:
        """Return the network, fed as ``feed`` says; ``like`` may stand in for its last layer."""
        ...


class WhiteBox:
    """A suspect whose network is at hand.

    Args:
        model: the suspect; read in evaluation mode, left as it was.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, AskNext, Read, ReadEach, Sense, Weigh})

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return labels (the largest output, ties to the lowest class; ``ABSTAIN`` if none is), weights, activations, surprisals.

        Of next tokens the likeliest candidate; see ``next_tokens``.

        Raises:
            MismatchError: there is no place like the probe's.
            SuspectError: weights, activations or all outputs are no finite numbers, or there are other classes.
        """
        if isinstance(probe, AskNext):
            found = next_tokens.answered(self.model, probe)
            self.queries += len(found)
            return [found]
        if isinstance(probe, Ask):
            labels = np.concatenate([self._labels(part, probe.feed.classes) for part in batches(probe)])
            if len(labels) and (labels == ABSTAIN).all():
                raise SuspectError(
                    f"expected finite numbers from the suspect, got NaN or infinity{_broken(self.model)}"
                )
            return [labels]
        if isinstance(probe, Weigh):
            from modelmark.suspects.likelihoods import of_network

            self.queries += len(probe.inputs)
            return [of_network(self.model, probe)]
        if isinstance(probe, Read):
            places = layers.candidates(self.model, probe.place)
            return finite((array(layers.rows(self.model, layer).flatten(1)) for layer in places), "weights")
        if isinstance(probe, ReadEach):
            return [beside(self._each(probe))]
        received = taps.received(self.model, probe.place, fed(probe), batch=batch_size(probe.feed))
        return finite(map(array, received), "activations")

    def _each(self, probe: ReadEach) -> list[Filters | None]:
        """Return the filters of each place, None where there is none of that size."""
        known = {layer.path: layer for layer in layers.places(self.model)}
        sizes = {path: (layer.filters, layer.width) for path, layer in known.items()}
        chosen = sized(probe, sizes)
        return [None if path is None else self._filters(known[path]) for path in chosen]

    def _filters(self, layer: layers.Layer) -> Filters:
        rows = array(layers.rows(self.model, layer).flatten(1))
        return Filters(len(rows), lambda: rows)

    def network(self, feed: Feed, like: nn.Module | None = None) -> nn.Module:
        """Return the model itself."""
        return self.model

    def _labels(self, inputs: Tensor, classes: int) -> npt.NDArray[np.int64]:
        self.queries += len(inputs)
        found = logits(self.model, inputs).cpu()
        outputs = (found.float() if found.dtype == torch.bfloat16 else found).numpy()  # NumPy has no such type
        if outputs.ndim != 2 or outputs.shape[1] != classes:
            raise SuspectError(
                f"expected outputs for {classes} classes from the suspect, got {outputs.shape[1:]}",
                hint="weights are read whatever the head is; answers need one with the key's classes",
            )
        answers = np.isfinite(outputs.max(axis=1))  # NaN if any is
        labels: npt.NDArray[np.int64] = np.where(answers, outputs.argmax(axis=1), ABSTAIN).astype(np.int64)
        return labels


def _broken(model: nn.Module) -> str:
    named = (name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all())
    return next((f" in {name}" for name in named), "")


def logits(model: nn.Module, inputs: Tensor, *, batch: int = _BATCH) -> Tensor:
    """Return the scores of ``model`` in evaluation mode, ``(N, classes)`` or ``(N, classes, L)``, in batches on its device."""
    parameter = next(model.parameters(), None)
    device = inputs.device if parameter is None else parameter.device
    with taps.evaluating(model):
        return torch.cat([scored(model, part.to(device)) for part in inputs.split(batch)])
