"""A suspect known by its answers: any function from inputs to labels, such as the client of an API."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from modelmark.errors import MismatchError, SuspectError
from modelmark.suspects.base import ABSTAIN, Array, Ask, AskBeyond, Probe
from modelmark.suspects.feeding import batches

_BATCH = 256


class BlackBox:
    """A suspect that is asked.

    Args:
        answer: a function from inputs as ``forward`` takes them, ``(N, *input_shape)`` float32, to ``N`` labels
            ``0 .. classes - 1``, or ``ABSTAIN``; of texts, from a list of them.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond})

    def __init__(self, answer: Callable[[Any], object]) -> None:
        self._answer = answer
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Ask each input once, in batches, and return the labels.

        Raises:
            MismatchError: the probe needs the weights.
            SuspectError: an answer is not a label, or their number is not that of the inputs.
        """
        if not isinstance(probe, Ask):
            raise MismatchError("expected access to the suspect's weights, got its answers alone")
        asked = _texts(probe) if probe.feed.kind == "texts" else batches(probe)
        return [np.concatenate([self._ask(batch, probe.feed.classes) for batch in asked])]

    def _ask(self, batch: Tensor | list[str], classes: int) -> npt.NDArray[np.int64]:
        self.queries += len(batch)
        raw = self._answer(batch)
        if raw is None or isinstance(raw, str | bytes):
            raise SuspectError(f"expected {len(batch)} integer labels from the suspect, got {type(raw).__name__}")
        given = raw.cpu().numpy() if isinstance(raw, Tensor) else np.asarray(raw)
        if given.shape != (len(batch),) or given.dtype.kind not in "iu":
            raise SuspectError(
                f"expected {len(batch)} integer labels from the suspect, got {given.dtype} of shape {given.shape}"
            )
        if given.min() < ABSTAIN or given.max() >= classes:
            raise SuspectError(
                f"expected labels 0 to {classes - 1} (or {ABSTAIN}) from the suspect, got {given.min()} to {given.max()}"
            )
        return given.astype(np.int64)


def _texts(probe: Ask) -> Iterator[list[str]]:
    for start in range(0, len(probe.inputs), _BATCH):
        yield probe.inputs[start : start + _BATCH][:, 0].tolist()
