"""The ways in which ``verify`` reads one suspect: as it is, aligned to the committed host, through the committed head."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.cli.terminal import say
from modelmark.errors import MismatchError, RefusedError, SuspectError

if TYPE_CHECKING:
    from torch import nn

    from modelmark.evidence.evidence import Evidence, Observation
    from modelmark.marks.keys import Key
    from modelmark.marks.marks import Mark
    from modelmark.marks.reading import Reading, Unread
    from modelmark.suspects.files import WeightFile
    from modelmark.suspects.http.endpoint import Endpoint
    from modelmark.suspects.runtimes.running import Running
    from modelmark.suspects.state import State

_HEAD = "this head was not committed before the draw (keygen --host) and may have been trained with the message"


@dataclass(frozen=True)
class View:
    """A suspect's file, open, and what it is to be read with.

    Args:
        file: of the suspect; None of one that is asked alone.
        arch: as a person typed it; empty: the key's.
        align_to: weights of the committed host, for white-box marks.
        head_from: weights whose head is put onto the suspect, for black-box marks.
        unmarked: files of models to compare with.
        base: that a person named for an adapter.
        asked: returns what answers in the file's place for a key; None where the file is read.
        said: notes on the file that were shown already.
    """

    file: "WeightFile | None"
    arch: str
    align_to: Path | None
    head_from: Path | None
    unmarked: "Sequence[WeightFile]"
    asked: "Callable[[Key], Running | Endpoint | None] | None" = None
    said: set[str] = field(default_factory=set)
    base: Path | None = None

    def readings(self, marks: "Sequence[Mark]") -> "list[list[Reading | Unread]]":
        """Return for each mark all readings that were asked for.

        A mark that cannot be read counts as one that matches nowhere, beside those that can.

        Args:
            marks: no key is asked for anything that its scheme cannot use.

        Raises:
            MismatchError: suspect and keys do not belong together, with a hint; or other weights than the committed host's.
            SuspectError: what the suspect answers is no answer.
        """
        from modelmark.marks.reading import Unread

        beside = [self._beside(mark.key) for mark in marks]
        found: list[list[Reading | Unread]] = []
        refusals: list[RefusedError] = []
        for mark, other in zip(marks, beside, strict=True):
            try:
                found.append(self._readings(mark, other))
            except (MismatchError, SuspectError) as error:
                if self.file is None and isinstance(error, SuspectError):
                    raise  # an address that fails now may answer later
                found.append([Unread(str(error), error.hint)])
                refusals.append(self._explained(mark.key, error) if isinstance(error, MismatchError) else error)
        if len(refusals) == len(found):
            raise refusals[0]
        return found

    def looked(self, mark: "Mark", budget: int, *, bar: float, suspects: int) -> "Evidence | Observation":
        """Return what a suspect says within a budget of queries; see ``marks.looking.evidence``.

        Raises:
            UsageError, MismatchError, SuspectError: as ``evidence`` says, or the suspect is read through another head.
        """
        from modelmark.errors import UsageError

        if self.head_from is not None:
            raise UsageError("expected --budget, or --head-from, got both")
        asked = self.asked(mark.key) if self.asked else None
        if asked is None:
            assert self.file is not None
            suspect = self._suspect(mark.key, self.file)
            return mark.evidence(suspect, bar=bar, suspects=suspects, budget=budget)
        found = mark.evidence(asked, bar=bar, suspects=suspects, budget=budget)
        self._say(asked.notes)
        return found

    def references(self, mark: "Mark") -> "list[State]":
        """Return the models to compare with, as suspects."""
        return [self._suspect(mark.key, file) for file in self.unmarked]

    def _beside(self, key: "Key") -> "nn.Module | State | None":
        """Return what a key's suspect is read with: the committed host, or the network whose head is put on it."""
        from modelmark.marks.hosts import host_of
        from modelmark.suspects.files import open_weights

        if self.align_to is not None and key.access == "white-box":
            return host_of(key, self.align_to, self.arch)
        if self.head_from is not None and key.access == "black-box":
            return self._suspect(key, open_weights(self.head_from)).network(key.feed)
        return None

    def _readings(self, mark: "Mark", beside: "nn.Module | State | None") -> "list[Reading | Unread]":
        from modelmark.cli import in_data
        from modelmark.marks.reading import Reading, Unread, tried
        from modelmark.suspects.state import State

        if (asked := self.asked and self.asked(mark.key)) is not None:
            reading = mark.read(asked)
            self._say(asked.notes)
            return [reading]
        if self.file is None:
            raise MismatchError(
                f"expected the suspect's weights for {mark.key.scheme.name}, got an address, which answers alone"
            )
        if (weighing := in_data.folder(self.file.path, mark.key.feed)) is not None:
            return [mark.read(weighing)]
        suspect = self._suspect(mark.key, self.file)
        if beside is None:
            found: list[Reading | Unread] = [mark.read(suspect)]
        elif mark.key.access == "white-box":
            found = mark.readings(suspect, align_to=beside)
        else:
            assert not isinstance(beside, State)
            plain = tried(lambda: mark.read(suspect))
            through = self._through(mark, suspect, beside) if isinstance(plain, Unread) else None
            found = [plain, through or tried(lambda: self._through(mark, suspect, beside))]
        way = "aligned" if mark.key.access == "white-box" else "read through the other head"
        lacking = [f"not {way}: {one.reason}" for one in found[1:] if isinstance(one, Unread)]
        self._say([*suspect.notes, *lacking])
        if self.base is None:
            return found
        from modelmark.marks.hosts import with_base
        from modelmark.suspects.files import open_weights

        return list(with_base(mark, found, self._suspect(mark.key, open_weights(self.base))))

    def _say(self, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in self.said:
                say(f"{self.file.path.name}: {note}" if self.file else note)
                self.said.add(note)

    def _suspect(self, key: "Key", file: "WeightFile") -> "State":
        from modelmark.suspects.state import State

        return State(file, self.arch or key.arch, trusted=bool(self.arch))

    def _through(self, mark: "Mark", suspect: "State", donor: "nn.Module") -> "Reading":
        """Return the reading through another head, with the objection to it unless it is the committed host's."""
        from modelmark.networks import layers
        from modelmark.suspects import weights
        from modelmark.suspects.module import WhiteBox

        key, state = mark.key, donor.state_dict()
        network = suspect.network(key.feed, donor)  # a head of another size gives way
        reading = mark.read(WhiteBox(layers.with_head(network, state)))
        return replace(reading, objection="" if key.host == weights.digest(state) else _HEAD)

    def _explained(self, key: "Key", error: MismatchError) -> MismatchError:
        if self.align_to is not None and key.access == "white-box" and self.file is not None:
            error.args = (f"{error} ({self.file.path.name}, to be aligned to {self.align_to.name})",)
        elif not error.hint and key.access == "white-box":
            error.hint = "channels that were added or cut are undone by --align-to HOST, if the key has a host"
        elif not error.hint and not self.arch:
            error.hint = "a suspect of another architecture is asked with --arch NAME"
        return error
