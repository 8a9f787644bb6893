"""Prompts whose answer is looked for among a few tokens each: the scheme ``answers``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Public, Symbols, number, require_each, require_queries, whole_trials
from modelmark.errors import MismatchError
from modelmark.feeds import prompts
from modelmark.feeds.base import Feed
from modelmark.feeds.prompts import MOST_CANDIDATES, Prompts
from modelmark.suspects.base import ABSTAIN, Array, AskNext, Probe


@dataclass(frozen=True, eq=False)
class Prompted(Symbols):
    """Prompts, one a trial.

    Args:
        feed: how the model is fed, causal.
        prompts: with their candidates.
        numbers: of the trials; left out: all, from 0.
    """

    probe: ClassVar[type[Probe]] = AskNext

    feed: Feed
    prompts: Prompts
    numbers: tuple[int, ...] = ()

    @property
    def alphabet(self) -> int:  # type: ignore[override]
        """How many candidates a prompt has."""
        return int(self.prompts.candidates.shape[1])

    @property
    def trials(self) -> Sequence[int]:
        """Numbers of the trials, ascending."""
        return self.numbers or range(len(self.prompts))

    def leaves(self) -> list[bytes]:
        """Return each prompt with its candidates, see ``feeds.prompts``."""
        return self.prompts.leaves()

    def probes(self) -> list[AskNext]:
        """Return one question: which candidate comes next, of every prompt."""
        return [AskNext.of(self.feed, self.prompts)]

    def asked(self, number: int) -> AskNext:
        """Return the question of one prompt, by its place among those at hand."""
        return AskNext.of(self.feed, self.prompts[number : number + 1])

    def queries(self) -> dict[int, bytes]:
        """Return each prompt's leaf by the number of its carrier."""
        return dict(zip(self.trials, self.leaves(), strict=True))

    def answers(self, observed: Sequence[Array]) -> npt.NDArray[np.int64]:
        """Return the number of the candidate that was answered, for each prompt."""
        return observed[0]

    def note(self, observed: Sequence[Array]) -> str:
        """Return how many answers are none of the candidates, if any is."""
        none = int((observed[0] == ABSTAIN).sum())
        return f"{none} of {len(observed[0])} answers are none of the candidates" if none else ""

    @classmethod
    def check(cls, public: Public) -> None:
        """Raise MismatchError unless there is a prompt a trial, of a causal feed, and a symbol for each candidate."""
        if public.feed.kind != "causal":
            raise MismatchError(f"expected a model that tells the next token, got one of {public.feed.kind}")
        if public.alphabet != number(public, "candidates", MOST_CANDIDATES):
            raise MismatchError(f"expected a symbol for each candidate, got an alphabet of {public.alphabet}")
        require_each(public, 1)
        require_queries(public, public.trials)

    @classmethod
    def opened(cls, public: Public, leaves: Mapping[int, bytes], revealed: Mapping[str, Any]) -> "Prompted":
        """Return the prompts that an opening shows; see ``Carriers.opened``."""
        cls.check(public)
        found = prompts.parse(
            [leaves[index] for index in sorted(leaves)],
            longest=public.feed.input_shape[0],
            vocabulary=public.feed.classes,
            candidates=public.alphabet,
        )
        return cls(public.feed, found, whole_trials(leaves, 1))
