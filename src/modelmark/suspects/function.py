"""A suspect known by its answers: any function from inputs to labels, such as the client of an API."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.prompts import Prompts
from modelmark.suspects import candidates
from modelmark.suspects.base import ABSTAIN, LABELS_ALONE, LABELS_HINT, Array, Ask, AskBeyond, AskNext, Probe, Weigh
from modelmark.suspects.feeding import batches

_BATCH = 256


class BlackBox:
    """A suspect that is asked.

    Args:
        answer: a function from inputs as ``forward`` takes them, ``(N, *input_shape)`` float32, to ``N`` labels
            ``0 .. classes - 1``, or ``ABSTAIN``; of texts, from a list of them. Of a language model that is asked for its next
            token, from a list of prompts, each a list of numbers of tokens, to one answer for each: a token by its number or its
            text, a mapping from tokens to log-probabilities, or None.
        texts: hand prompts over as texts.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Ask, AskBeyond, AskNext})

    def __init__(self, answer: Callable[[Any], object], *, texts: bool = False) -> None:
        self._answer, self._takes_texts = answer, texts
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Ask each input once, in batches, and return the labels.

        Raises:
            MismatchError: the probe needs the weights.
            SuspectError: an answer is not a label, or their number is not that of the inputs.
        """
        if isinstance(probe, Weigh):
            raise MismatchError(LABELS_ALONE, hint=LABELS_HINT)
        if not isinstance(probe, Ask):
            raise MismatchError("expected access to the suspect's weights, got its answers alone")
        if isinstance(probe, AskNext):
            return [self._next(probe.prompts)]
        asked = _texts(probe) if probe.feed.kind == "texts" else batches(probe)
        return [np.concatenate([self._ask(batch, probe.feed.classes) for batch in asked])]

    def _next(self, prompts: Prompts) -> npt.NDArray[np.int64]:
        """Return the candidates that the answers to prompts are."""
        if self._takes_texts and not prompts.texts:
            raise MismatchError(
                "expected prompts with texts, the key's are known by number alone",
                hint="keygen with a tokenizer keeps texts",
            )
        found = list[int]()
        for start in range(0, len(prompts), _BATCH):
            part = prompts[start : start + _BATCH]
            asked = list(part.texts) if self._takes_texts else [part.tokens(number) for number in range(len(part))]
            self.queries += len(asked)
            given = self._answer(asked)
            rows = given.tolist() if isinstance(given, Tensor | np.ndarray) else given
            if not isinstance(rows, Sequence) or isinstance(rows, str | bytes) or len(rows) != len(asked):
                raise SuspectError(f"expected {len(asked)} next tokens from the suspect, got {type(given).__name__}")
            for number, answer in enumerate(rows):
                words = part.words[number] if part.words else ()
                found.append(candidates.told(answer, part.candidates[number].tolist(), words))
        return np.array(found, np.int64)

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
