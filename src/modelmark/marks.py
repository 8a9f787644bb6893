"""Marks: a key with its draw; what embeds, reads and weighs."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from modelmark.draw import Draw
from modelmark.errors import MismatchError
from modelmark.evidence import BAR, Charge, Evidence, Observation, charge_tries
from modelmark.hooks import Hooks
from modelmark.schemes import reference
from modelmark.schemes.base import Symbols
from modelmark.suspect import Suspect

if TYPE_CHECKING:
    from modelmark.keys import Key


@dataclass(frozen=True)
class Mark:
    """A key with its draw; only it can embed, read and weigh.

    Args:
        key: the key.
        draw: bound to this key's statement.
    """

    key: "Key"
    draw: Draw

    def __post_init__(self) -> None:
        if self.draw.statement != self.key.digest:
            raise MismatchError("expected the draw of this key, got the draw of another statement")

    @cached_property
    def message(self) -> npt.NDArray[np.int64]:
        """The expected symbols, ``(trials,)``."""
        key = self.key
        chosen = key.scheme.chosen_message(key.secret, key.interface, key.attachments)
        trials, alphabet = key.scheme.shape(key.interface)
        return self.draw.message(alphabet, trials) if chosen is None else chosen

    def hooks(self, model: nn.Module, *, seed: int = 0) -> Hooks:
        """Return the hooks that embed this mark into ``model`` in any training loop."""
        return self.key.scheme.hooks(self.key.carriers, self.message, model, self.key.interface, seed=seed)

    def margins(self, model: nn.Module) -> Tensor:
        """Return how clearly ``model`` gives each symbol, ``(trials,)``; negative where it gives another."""
        return self.hooks(model).margins(model)

    def evidence(
        self,
        suspect: Suspect,
        *,
        bar: float = BAR,
        suspects: int = 1,
        readings: int = 1,
        objection: str = "",
        align_to: nn.Module | None = None,
        references: Sequence[Suspect] = (),
    ) -> Evidence | Observation:
        """Read a suspect and weigh the reading.

        Args:
            suspect: asked once per carrier, or read by its weights.
            bar: net bits named beforehand.
            suspects: how many suspects were tried with this key; charged.
            readings: how many ways of reading this suspect were tried; charged.
            objection: why this reading has no exact test, if it has none.
            align_to: the unmarked host whose digest the key committed to; the suspect is read with its channels put in the
                host's order too, the better reading counts, and one reading more is charged.
            references: models known to be unmarked, whose match rates an Observation shows.

        Returns:
            Evidence, or an Observation where no exact test exists.

        Raises:
            MismatchError: ``align_to`` is not the committed host; suspect and scheme do not belong together.
        """
        if align_to is None:
            symbols = self._read(suspect)
        else:
            symbols, readings = self._better(suspect, align_to), readings + 1
        matches = int((symbols.values == self.message).sum())
        return self._weighed(
            matches, symbols.queries, symbols.note, bar=bar, suspects=suspects, readings=readings, objection=objection,
            references=references,
        )  # fmt: skip

    def unread(self, reason: str, *, bar: float = BAR, suspects: int = 1) -> Evidence | Observation:
        """Return what is found in a suspect that has no place to read this mark from: no match at all.

        Args:
            reason: why it cannot be read.
            bar: as for ``evidence``.
            suspects: likewise.
        """
        return self._weighed(0, 0, f"not readable: {reason}", bar=bar, suspects=suspects)

    def _weighed(
        self, matches: int, queries: int, note: str, *, bar: float, suspects: int, readings: int = 1, objection: str = "",
        references: Sequence[Suspect] = (),
    ) -> Evidence | Observation:  # fmt: skip
        key, trials = self.key, len(self.message)
        name = reference(key.scheme)
        objection = key.scheme.objection() or objection
        if not objection and key.scheme.chosen_message(key.secret, key.interface, key.attachments) is not None:
            objection = "the message was chosen, not drawn"
        if objection:
            unmarked = tuple(self._rate(other) for other in references)
            return Observation(name, matches, trials, objection, queries, unmarked, note)
        _, alphabet = key.scheme.shape(key.interface)
        charges = (
            Charge(f"{self.draw.kind} draw", float(self.draw.charge)),
            *charge_tries("suspects tried", suspects),
            *charge_tries("readings tried", readings),
        )
        return Evidence(
            name, matches, trials, Fraction(1, alphabet), charges, queries, bar, key.self_check,
            root=str(key.statement["root"]), note=note,
        )  # fmt: skip

    def _read(self, suspect: Suspect) -> Symbols:
        return self.key.scheme.extract(self.key.carriers, suspect, self.key.interface)

    def _rate(self, suspect: Suspect) -> float:
        return float((self._read(suspect).values == self.message).mean())

    def _better(self, suspect: Suspect, host: nn.Module) -> Symbols:
        """Return the reading, plain or aligned, that matches more; with other widths there is the aligned one alone."""
        from modelmark.align.committed import aligned  # loads scipy's optimisers and torch's tracer

        key = self.key
        found = [
            self._read(aligned(suspect, host, committed=key.host, scheme=key.scheme.name, interface=key.interface))
        ]
        with contextlib.suppress(MismatchError):
            found.append(self._read(suspect))
        return max(found, key=lambda symbols: int((symbols.values == self.message).sum()))
