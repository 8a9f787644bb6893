"""A suspect known by the probabilities that it gives, such as the client of an API that says how sure it is."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.base import ABSTAIN, Array, Ask, AskBeyond, AskNext, Inputs, Probe, Weigh
from modelmark.suspects.feeding import batch_size
from modelmark.suspects.likelihoods import distinct, surprisals

_NEAR = 0.01
"""By how much probabilities may miss 1 together, rounded as servers round them."""


class Probabilities:
    """A suspect that is asked for probabilities.

    Args:
        answer: a function from inputs as ``forward`` takes them, ``(N, *input_shape)``, to probabilities of the classes in the
            key's order, ``(N, classes)``, NaN in the row of an input that is refused.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, Weigh})

    def __init__(self, answer: Callable[[Any], object]) -> None:
        self._answer = answer
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Ask each input once, and return the likeliest classes, ties to the lowest, or surprisals.

        Raises:
            MismatchError: the probe wants something else.
            SuspectError: what is answered are no probabilities of the key's classes.
        """
        if isinstance(probe, AskBeyond | AskNext) or not isinstance(probe, Ask | Weigh):
            raise MismatchError(
                "expected a mark that is read from labels or probabilities, which the suspect gives alone"
            )
        if probe.feed.kind in ("causal", "texts"):
            raise MismatchError(f"expected inputs of which the suspect tells the class, got {probe.feed.kind}")
        if isinstance(probe, Ask):
            found = self._asked(probe, probe.inputs)
            refused = np.isnan(found).any(axis=1)
            return [np.where(refused, ABSTAIN, np.nan_to_num(found).argmax(axis=1)).astype(np.int64)]
        inputs, told = distinct(probe)
        found = self._asked(probe, inputs)
        with np.errstate(divide="ignore"):
            return [surprisals(np.log(np.take_along_axis(found, told.reshape(len(found), -1), axis=1)).ravel())]

    def _asked(self, probe: Ask | Weigh, inputs: Inputs) -> npt.NDArray[np.float64]:
        normalise, size = Normalise(probe.feed), batch_size(probe.feed)
        found = [np.empty((0, probe.feed.classes))]
        for start in range(0, len(inputs), size):
            part = torch.from_numpy(np.ascontiguousarray(inputs[start : start + size]))
            self.queries += len(part)
            found.append(_checked(self._answer(normalise(part)), len(part), probe.feed.classes))
        return np.concatenate(found)


def _checked(raw: object, count: int, classes: int) -> npt.NDArray[np.float64]:
    given = np.asarray(raw.detach().cpu().double() if isinstance(raw, Tensor) else raw)
    if given.shape != (count, classes) or given.dtype.kind not in "fiu":
        raise SuspectError(f"expected probabilities of {classes} classes from the suspect, got shape {given.shape}")
    found = given.astype(np.float64)
    there = ~np.isnan(found).any(axis=1)
    if (found[there] < 0).any() or (np.abs(found[there].sum(axis=1) - 1) > _NEAR).any():
        raise SuspectError(
            "expected probabilities that add up to 1 from the suspect, got others", hint="scores: .softmax(dim=1)"
        )
    return found
