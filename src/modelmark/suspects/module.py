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
from modelmark.suspects.base import Array, Ask, AskBeyond, Probe, Read, Sense
from modelmark.suspects.feeding import batch_size, batches, fed

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

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, Read, Sense})

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return labels (the largest output, ties to the lowest class), weights, or activations.

        Raises:
            MismatchError: there is no place like the probe's.
            SuspectError: an output, a weight or an activation is not a finite number, or there are other classes.
        """
        if isinstance(probe, Ask):
            return [np.concatenate([self._labels(part, probe.feed.classes) for part in batches(probe)])]
        if isinstance(probe, Read):
            found = layers.candidates(self.model, probe.place)
            return [finite(layers.rows(self.model, layer).flatten(1), "weights") for layer in found]
        received = taps.received(self.model, probe.place, fed(probe), batch=batch_size(probe.feed))
        return [finite(values, "activations") for values in received]

    def network(self, feed: Feed, like: nn.Module | None = None) -> nn.Module:
        """Return the model itself."""
        return self.model

    def _labels(self, inputs: Tensor, classes: int) -> npt.NDArray[np.int64]:
        self.queries += len(inputs)
        outputs = logits(self.model, inputs).cpu().numpy()
        if outputs.ndim != 2 or outputs.shape[1] != classes:
            raise SuspectError(
                f"expected outputs for {classes} classes from the suspect, got {outputs.shape[1:]}",
                hint="weights are read whatever the head is; answers need one with the key's classes",
            )
        if np.isnan(outputs).any():
            raise SuspectError("expected numbers from the suspect, got NaN")
        labels: npt.NDArray[np.int64] = outputs.argmax(axis=1).astype(np.int64)
        return labels


def finite(values: Tensor, what: str) -> npt.NDArray[np.float64]:
    """Return a tensor in double precision.

    Raises:
        SuspectError: a number is NaN or infinite.
    """
    array: npt.NDArray[np.float64] = values.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise SuspectError(f"expected finite {what} from the suspect, got NaN or infinity")
    return array


def logits(model: nn.Module, inputs: Tensor, *, batch: int = _BATCH) -> Tensor:
    """Return the outputs of ``model`` in evaluation mode, ``(N, classes)``, computed in batches on the model's device."""
    parameter = next(model.parameters(), None)
    device = inputs.device if parameter is None else parameter.device
    with taps.evaluating(model):
        return torch.cat([model(part.to(device)) for part in inputs.split(batch)])
