"""How a verifier reaches a model: through its answers alone, or through its weights."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark import layers, taps
from modelmark.errors import MismatchError, SuspectError

ABSTAIN = -1
"""The answer of a suspect that refuses an input; it never matches."""

_BATCH = 256


class Suspect(Protocol):
    """What a scheme may ask of a suspect; ``queries`` counts the inputs it has answered."""

    queries: int

    def labels(self, inputs: Tensor) -> npt.NDArray[np.int64]:
        """Return the suspect's answer to each input ``(N, *input_shape)``, shape ``(N,)``."""
        ...

    def weight(self, path: str) -> npt.NDArray[np.float64]:
        """Return the weight of the layer at ``path``."""
        ...

    def activations(self, path: str, inputs: Tensor) -> npt.NDArray[np.float64]:
        """Return what the layer at ``path`` receives for each input, ``(N, M)``."""
        ...


class BlackBox:
    """A suspect known by its answers.

    Args:
        answer: a function from inputs as ``forward`` takes them, ``(N, *input_shape)`` float32, to ``N`` labels
            ``0 .. classes - 1``, or ``ABSTAIN``.
        classes: number of classes.
    """

    def __init__(self, answer: Callable[[Tensor], object], classes: int) -> None:
        self._answer = answer
        self._classes = classes
        self.queries = 0

    def labels(self, inputs: Tensor) -> npt.NDArray[np.int64]:
        """Ask each input once, in batches.

        Raises:
            SuspectError: an answer is not a label, or their number is not that of the inputs.
        """
        return np.concatenate([self._ask(batch) for batch in inputs.split(_BATCH)])

    def weight(self, path: str) -> npt.NDArray[np.float64]:
        """Refuse.

        Raises:
            MismatchError: always; this scheme needs the weights.
        """
        raise MismatchError("expected access to the suspect's weights, got its answers alone")

    def activations(self, path: str, inputs: Tensor) -> npt.NDArray[np.float64]:
        """Refuse.

        Raises:
            MismatchError: always; this scheme needs to look inside.
        """
        raise MismatchError("expected access to the suspect's activations, got its answers alone")

    def _ask(self, batch: Tensor) -> npt.NDArray[np.int64]:
        self.queries += len(batch)
        raw = self._answer(batch)
        if raw is None or isinstance(raw, str | bytes):
            raise SuspectError(f"expected {len(batch)} integer labels from the suspect, got {type(raw).__name__}")
        given = raw.cpu().numpy() if isinstance(raw, Tensor) else np.asarray(raw)
        if given.shape != (len(batch),) or given.dtype.kind not in "iu":
            raise SuspectError(
                f"expected {len(batch)} integer labels from the suspect, got {given.dtype} of shape {given.shape}"
            )
        if given.min() < ABSTAIN or given.max() >= self._classes:
            raise SuspectError(
                f"expected labels 0 to {self._classes - 1} (or {ABSTAIN}) from the suspect, "
                f"got {given.min()} to {given.max()}"
            )
        return given.astype(np.int64)


class WhiteBox:
    """A suspect whose weights are at hand; it answers like a black box too.

    Args:
        model: the suspect; read in evaluation mode, left as it was.
        classes: number of classes its output must have.
    """

    def __init__(self, model: nn.Module, classes: int) -> None:
        self.model = model
        self._classes = classes
        self.queries = 0

    def labels(self, inputs: Tensor) -> npt.NDArray[np.int64]:
        """Return the class of the largest output for each input, ties to the lowest class, shape ``(N,)``.

        Raises:
            SuspectError: an output is NaN or has another number of classes.
        """
        self.queries += len(inputs)
        outputs = logits(self.model, inputs).cpu().numpy()
        if outputs.ndim != 2 or outputs.shape[1] != self._classes:
            raise SuspectError(
                f"expected outputs for {self._classes} classes from the suspect, got {outputs.shape[1:]}"
            )
        if np.isnan(outputs).any():
            raise SuspectError("expected numbers from the suspect, got NaN")
        return outputs.argmax(axis=1).astype(np.int64)

    def weight(self, path: str) -> npt.NDArray[np.float64]:
        """Return the weight of the layer at ``path`` in double precision.

        Raises:
            MismatchError: there is no such layer.
            SuspectError: the weights are not finite.
        """
        values = layers.weight(self.model, path).detach().cpu().double().numpy()
        if not np.isfinite(values).all():
            raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
        return values

    def activations(self, path: str, inputs: Tensor) -> npt.NDArray[np.float64]:
        """Return what the layer at ``path`` receives for each input ``(N, *input_shape)``, shape ``(N, M)``.

        Raises:
            MismatchError: there is no such layer.
            SuspectError: an activation is not finite.
        """
        values = taps.activations(self.model, path, inputs).cpu().double().numpy()
        if not np.isfinite(values).all():
            raise SuspectError("expected finite activations from the suspect, got NaN or infinity")
        return values


def logits(model: nn.Module, inputs: Tensor, *, batch: int = _BATCH) -> Tensor:
    """Return the outputs of ``model`` in evaluation mode, ``(N, classes)``, computed in batches on the model's device."""
    parameter = next(model.parameters(), None)
    device = inputs.device if parameter is None else parameter.device
    with taps.evaluating(model):
        return torch.cat([model(part.to(device)) for part in inputs.split(batch)])
