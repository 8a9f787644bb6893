"""The judge's single checks: each returns what it found with a word about it, or refuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from modelmark import canonical, hashing
from modelmark.carriers.base import Carriers, Ruled, shared
from modelmark.claim.dates import deposit, order
from modelmark.claim.dates.deposit import Dated, Trust
from modelmark.claim.judging import reading, strength, weighing
from modelmark.claim.judging.desk import Papers, head
from modelmark.claim.judging.reading import Answered, Kinds
from modelmark.claim.judging.software import code_of
from modelmark.claim.papers import opening
from modelmark.claim.papers import transcript as transcripts
from modelmark.claim.papers.claim import Claim, Entry
from modelmark.claim.papers.dispute import Challenge
from modelmark.claim.papers.opening import Opened
from modelmark.claim.papers.shapes import instant, written
from modelmark.claim.papers.transcript import ORDINARY, Transcript
from modelmark.claim.papers.verdict import Graded, Weighed
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.key.draw import Draw
from modelmark.naming import counted
from modelmark.suspects import base as suspects
from modelmark.suspects import transcript
from modelmark.suspects.base import MISSING, access

AS_IT_IS, ALIGNED = "as it is", "aligned to the key's host"
_SHOWN = 80  # characters of an architecture in a word on it


class Suspect(Protocol):
    """What is judged: it has a digest that was frozen. ``suspects.state`` makes one of a weight file."""

    @property
    def kind(self) -> str:
        """``weights`` or ``transcript``."""
        ...

    @property
    def digest(self) -> str:
        """What was frozen, hex."""
        ...

    def told(self, revealed: Mapping[str, str]) -> suspects.Suspect:
        """Return who answers probes, now that concealed values were revealed, such as the architecture."""
        ...


class Host(Protocol):
    """The unmarked host that the claimant handed over. ``align.handed`` makes one of a weight file."""

    def require(self, host: str, *, arch: str, feed: Feed) -> None:
        """Raise UsageError unless it is the host of this digest, of the architecture that was revealed."""
        ...

    def aligned(self, suspect: suspects.Suspect, feed: Feed) -> suspects.Suspect:
        """Return the suspect in the host's order and scale, or raise MismatchError or SuspectError."""
        ...

    def itself(self) -> suspects.Suspect:
        """Return the host, which answers what a suspect is asked; marks of some schemes are read against it."""
        ...


class Recorded(transcript.Recorded):
    """A suspect of which only a transcript is at hand."""

    kind = "transcript"

    def __init__(self, record: Transcript) -> None:
        super().__init__({one.query: one.answer for one in record.asked if one.carrier != ORDINARY})
        self.record = record

    @property
    def digest(self) -> str:
        """The transcript's."""
        return self.record.digest

    def told(self, revealed: Mapping[str, str]) -> "Recorded":
        """Return the record: nothing that is revealed changes it."""
        return self


def dated(papers: Papers, trust: Trust) -> tuple[Dated, str]:
    """Verify the deposit's tokens."""
    dated = deposit.check(papers.claim, papers.deposit, trust)
    if dated.date is None:
        return dated, "none: an offline claim has no date, and pays 80 bits for it"
    return dated, f"valid timestamps: {len(dated.stamps)}; the claim existed on {date(dated)}"


def said(text: str) -> tuple[bool, str]:
    """Return what a check without a result says."""
    return True, text


def opened(papers: Papers) -> tuple[Opened, str]:
    """Check that the opening shows what was asked for, out of what was committed to."""
    assert papers.opening is not None
    opened = opening.check(papers.claim, papers.challenge, papers.opening)
    whose = papers.challenge.document.recipient
    word = (
        f"; {whose} is {'' if opened.listed else 'not shown to be '}on the list that the claim fixed" if whose else ""
    )
    return opened, f"{counted(len(opened.leaves), 'carrier')} of the claim, those that were asked for{word}"


def unpacked(opened: Opened | None, beside: bytes) -> tuple[dict[int, bytes], str]:
    """Return the opened carriers by number."""
    assert opened is not None
    unpacked = opening.unpack(opened.leaves, beside)
    return {
        leaf.index: carrier for leaf, carrier in zip(opened.leaves, unpacked, strict=True)
    }, "the bytes fit the opening"


def frozen(suspect: Suspect, papers: Papers, made: Carriers | None) -> tuple[bool, str]:
    """Check that the suspect is the one that was frozen, and a record of answers one that left no choice."""
    asked = papers.challenge.document
    if (suspect.kind, suspect.digest) != (asked.suspect.kind, asked.suspect.digest):
        raise MismatchError(
            f"expected the suspect that was frozen, {asked.suspect.digest[:16]}, got {suspect.digest[:16]}"
        )
    if not isinstance(suspect, Recorded):
        return True, f"{suspect.kind} {suspect.digest[:16]}, frozen at {asked.issued}"
    assert made is not None
    said = suspect.record.head
    if said.about != head(papers).about:
        raise MismatchError("expected a transcript about this claim, key and lot, got one about others")
    if said.test not in ("", asked.test):
        raise MismatchError(f"expected the {said.test} test, which the transcript named, got the {asked.test} test")
    transcripts.require_order(suspect.record, made.queries())
    order = "in the order of its nonce" if said.nonce else "in ascending order, which who answers can know"
    return True, f"transcript {suspect.digest[:16]}, asked {order}, frozen at {asked.issued}"


def as_asked(suspect: Suspect, opened: Opened | None, made: Carriers | None) -> Opened | None:
    """Return what was opened with its trials in the order in which they count: that of a record, else ascending."""
    if opened is None or made is None or not isinstance(suspect, Recorded) or shared(made):
        return opened
    return replace(opened, trials=transcripts.completed(suspect.record.head, made.queries(), made.each))


def seen(asked: Challenge, trust: Trust, known: str) -> tuple[str | None, str]:
    """Return when the suspect is first known: at the freeze at the latest."""
    if known and instant(known) > instant(asked.issued):
        raise MismatchError(f"expected a suspect known before it was frozen at {asked.issued}, got {known}")
    seen = order.first_seen(asked.suspect, trust, known)
    return (seen, f"first known at {seen}") if seen else (None, "nothing shows it")


def in_order(dated: Dated | None, seen: str | None) -> tuple[bool | None, str]:
    """Check that the claim is older than the suspect, where both dates are known."""
    assert dated is not None
    found = order.order(dated.date, seen or "")
    if found == "suspect-first":
        raise MismatchError(
            f"expected a claim older than the suspect, the claim is of {date(dated)}, the suspect of {seen}"
        )
    if found == "unknown":
        return None, "a date is lacking: the verdict is about dependence, not about who was first"
    return True, f"the claim, of {date(dated)}, is older"


def class_map(opened: Opened | None, names: Sequence[str]) -> tuple[bool | None, str]:
    """Check the suspect's class map, where it is known."""
    assert opened is not None
    if not names:
        return None, "the suspect's own class map is not known; its outputs are read in the claim's order"
    if hashing.digest("class-map", canonical.encode(list(names))).hex() != opened.entry.statement.interface.class_map:
        raise MismatchError("expected a suspect with the claim's class map, its own differs")
    return True, "the suspect's is the claim's"


def readable(opened: Opened | None, asked: Challenge, kinds: Kinds | None) -> tuple[type[Carriers], str]:
    """Check that a suspect can be read from an opening of this scheme, and from what was revealed."""
    assert opened is not None
    statement = opened.entry.statement
    kind = reading.kind(statement, kinds, recorded=asked.suspect.kind == "transcript", test=asked.test)
    lacking = [name for name in kind.reveals if name not in opened.revealed]
    if lacking:
        raise MismatchError(f"expected the {lacking[0]} to be revealed, without which the suspect cannot be read")
    word = "its weights" if access(kind.probe) == "white-box" else "asking"
    code = f", code {code_of(kind)}" if ":" in statement.scheme else ""
    return kind, f"{statement.scheme}{code}, read by {word}: {statement.reading}"


def formed(
    kind: type[Carriers] | None, opened: Opened | None, shown: Mapping[int, bytes] | None
) -> tuple[Carriers, str]:
    """Return the carriers, checking that their bytes are what the scheme's carriers are."""
    assert kind is not None and opened is not None and shown is not None  # noqa: PT018
    made = kind.opened(opened.entry.statement, shown, opened.revealed)
    asked = counted(len(made.queries()), "query", "queries")
    return made, f"{counted(len(shown), 'carrier')} of the scheme's form, {asked}"


def answered(
    papers: Papers,
    suspect: Suspect,
    dated: Dated | None,
    opened: Opened | None,
    made: Carriers | None,
    host: Host | None = None,
) -> tuple[Answered, str]:
    """Ask the suspect, or read it, as it is and aligned to the host: the one step that may need torch."""
    assert dated is not None and opened is not None and made is not None  # noqa: PT018
    told, public = suspect.told(opened.revealed), opened.entry.statement
    ways: dict[str, Callable[[], suspects.Suspect]] = {AS_IT_IS: lambda: told}
    lacking = unaligned(papers.claim.document, opened.entry, made.probe, host is not None)
    if host is not None and not lacking:
        if access(made.probe) == "black-box":
            raise UsageError("expected a host with a key that is read from weights, this one's mark is asked for")
        host.require(public.host, arch=opened.revealed.get("arch", ""), feed=public.feed)
        ways[ALIGNED] = lambda: host.aligned(told, public.feed)
        made = made.against(host.itself()) if isinstance(made, Ruled) else made
    found = reading.answered(ways, made, opened.trials, _expected(papers, dated, opened))
    word = "" if found.word == AS_IT_IS and not lacking else f": {found.word}"
    note = f"; {lacking}" if lacking else ""
    count, built = int((found.answers != MISSING).sum()), _built(suspect, opened.revealed)
    return found, f"{counted(count, 'query was', 'queries were')} answered{built}{word}{note}"


Replay = Callable[[Carriers, Sequence[int], Sequence[int]], Answered]
"""What a record says of carriers, trials and the symbols expected of them."""


def replayed(
    replay: Replay, papers: Papers, dated: Dated | None, opened: Opened | None, made: Carriers | None
) -> tuple[Answered, str]:
    """Take the answers from a record that was kept of the suspect."""
    assert dated is not None and opened is not None and made is not None  # noqa: PT018
    found = replay(made, opened.trials, _expected(papers, dated, opened))
    return found, f"taken from the record of them: {counted(int((found.answers != MISSING).sum()), 'answer')}"


def unaligned(claim: Claim, entry: Entry, probe: type[suspects.Probe], handed: bool) -> str:
    """Return why a suspect is not aligned, though its weights are read and the key has a host; else nothing."""
    if access(probe) == "black-box" or not entry.statement.host:
        return ""
    if claim.policy.readings < 2:
        return "not aligned to the key's host, as the claim pays for one reading"
    return "" if handed else "not aligned to the key's host, which was not handed over"


def _built(suspect: Suspect, revealed: Mapping[str, str]) -> str:
    """Return a word on the architecture that a suspect of weights was built in, and whether it is the committed one."""
    committed, arch = revealed.get("arch", ""), getattr(suspect.told(revealed), "arch", "")
    if not arch or suspect.kind != "weights":
        return ""
    if arch == committed:
        return f" as {_short(arch)}, which the claim committed to"
    told = f"not the committed {_short(committed)}" if committed else "none was committed"
    return f" as {_short(arch)} by the judge's word, {told}"


def _short(arch: str) -> str:
    """Return an architecture as a line may have it: a configuration takes more of one than a verdict has."""
    return arch if len(arch) <= _SHOWN else f"{arch[: _SHOWN - 3]}..."


def weigh(
    papers: Papers, suspect: Suspect, dated: Dated | None, opened: Opened | None, answers: Answered | None
) -> tuple[Weighed, str]:
    """Compare with the drawn message and subtract charges."""
    assert dated is not None and opened is not None and answers is not None  # noqa: PT018
    asked, expected = papers.challenge.document, _expected(papers, dated, opened)
    listed = opened.listed
    late = isinstance(suspect, Recorded) and not suspect.record.head.test
    weighed = weighing.weigh(
        papers.claim.document, asked, opened.entry, expected, answers.symbols,
        readings=answers.readings, late=late, listed=listed, scores=answers.scores,
    )  # fmt: skip
    graded = f", graded {weighed.score} of {weighed.highest}" if isinstance(weighed, Graded) else ""
    return weighed, (
        f"{weighed.matches} of {weighed.trials} as drawn, chance 1 in {weighed.alphabet}{graded}: "
        f"{strength.down(weighed.gross)} bits, {strength.down(weighed.net)} after charges, {weighed.bar} needed"
    )


def _expected(papers: Papers, dated: Dated, opened: Opened) -> list[int]:
    asked, statement = papers.challenge.document, opened.entry.statement
    draw = dated.draw(asked.key)
    return list(_symbols(draw.of(asked.recipient) if asked.recipient else draw, statement.alphabet, opened.trials))


@lru_cache(maxsize=2)
def _symbols(draw: Draw, alphabet: int, trials: tuple[int, ...]) -> tuple[int, ...]:
    """Return the drawn symbols; the suspect is read with them and the test is made with them."""
    return tuple(draw.symbols(alphabet, trials).tolist())


def date(dated: Dated | None) -> str:
    """Return a claim's date as documents write it, or nothing."""
    return written(dated.date) if dated and dated.date else ""
