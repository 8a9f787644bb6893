"""How often an unmarked model is found to depend on a claim, when somebody plays against the procedure: 10^6 disputes a row.

``python benchmarks/dispute_odds.py --disputes 1000000 --seed 0``

Each row is one way to play, under the rules as they were and as they are. How many tries a rule admits is found out by handing
the plays' own challenges to it; the answers are then drawn: 64 trials a lot, chance 1 in 10, bar 8 net bits. Charges come from
``weighing.charged`` and tails from ``evidence``; the charge for the draw is left out on both sides, since it pays for draws that
are made and thrown away. Stated is 2^-8 for all that a claim may try together. JSON lines on stdout.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from modelmark.claim.judging import weighing
from modelmark.claim.judging.ledger import Known, require_room
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.recipients import Recipients
from modelmark.claim.papers.statement import Statement
from modelmark.errors import RefusedError
from modelmark.evidence import sequential, stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

BAR, SIZE, PART, TENTH = 8, 64, 40, Fraction(1, 10)
OWNER, JUDGE = (Identity((("ed25519", bytes([number]) * 32),)) for number in (1, 2))
RESULTS = Path(__file__).parent / "results" / "dispute-odds.jsonl"
Shown = npt.NDArray[np.bool_]
Rng = np.random.Generator


@cache
def claim(lots: int = 1, suspects: int = 1, readings: int = 1, number: int = 0, names: int = 0) -> Signed[Claim]:
    """Return an offline claim of one key with lots of 64; those of different numbers are of the same key.

    One that fixes names is of a key that has copies, and to be dated, as an offline one fixes none; its charge is left out too.
    """
    key = Key(Adi(triggers=SIZE * lots), Secret(bytes(32)), PictureFeed((1, 4, 4), tuple("0123456789")))
    entry = Entry(Statement.of(key.statement), (SIZE,) * lots)
    policy, rule, said = Policy(BAR, suspects, readings), DrawRule("offline"), ()
    if names:
        rule, said = DrawRule("timestamp", ("ab" * 32,)), (Recipients(0, names, "ab" * 32),)
        entry = replace(entry, statement=replace(entry.statement, scheme="spread"))
    made = Claim(OWNER.signers, "", at(0), f"{number:064x}", (entry,), rule, policy, recipients=said)
    return envelope.sign(made, OWNER)


def at(second: int) -> str:
    """Return a moment of the made-up dispute."""
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"


def challenge(
    about: Signed[Claim], number: int, *, suspect: int = 0, lot: int = 0, draws: int = 0, recipient: str = ""
) -> Signed[Challenge]:
    """Return challenge number ``number``, a second after the one before."""
    frozen = Frozen("weights", f"{suspect:064x}")
    document = Challenge(
        JUDGE.signers, at(number), at(3000), "", about.digest, "", frozen, f"{number:064x}", 0, lot, draws, "exact", BAR,
        recipient=recipient,
    )  # fmt: skip
    return envelope.sign(document, JUDGE)


def admitted(asked: Sequence[Signed[Challenge]], claims: Sequence[Signed[Claim]]) -> int:
    """Return how many of these challenges the rules admit, all of them known to the judge."""
    known, by_name, count = Known(challenges=asked, claims=claims), {one.digest: one for one in claims}, 0
    for one in asked:
        try:
            require_room(by_name[one.document.claim], one.document, known, own=one.digest)
        except RefusedError:
            continue
        count += 1
    return count


def needed(about: Signed[Claim], trials: int = SIZE, *, late: bool = False, free: float = 0) -> int:
    """Return the matches from which a verdict shows dependence; ``free`` bits are not charged, though they should be."""
    found = stats.minimum_matches(target(about, late=late) - free, trials, TENTH)
    assert found is not None
    return found


def target(about: Signed[Claim], *, late: bool = False) -> float:
    """Return bar and charges in bits, the draw's left out."""
    charges = weighing.charged(about.document, late=late)
    assert charges[0].reason.endswith(" draw")
    return BAR + sum(charge.millibits for charge in charges[1:]) / 1000


def independent(tries: int, matches: int) -> Callable[[Rng, int], Shown]:
    """Return who tries so many suspects, lots or readings that have nothing to do with one another."""
    return lambda rng, count: (rng.binomial(SIZE, 0.1, (count, tries)) >= matches).any(axis=1)


def parts(tries: int, matches: int) -> Callable[[Rng, int], Shown]:
    """Return who tries so many drawn parts of one lot."""

    def play(rng: Rng, count: int) -> Shown:
        hits = rng.binomial(SIZE, 0.1, count)[:, None]
        return np.asarray((rng.hypergeometric(hits, SIZE - hits, PART, (count, tries)) >= matches).any(axis=1))

    return play


@cache
def walks(bits: float) -> tuple[Shown, Shown]:
    """Return where an e-process with this target is reached and where it is futile, by matches and trials."""
    reached, futile = np.zeros((2, SIZE + 1, SIZE + 1), bool)
    for trials in range(1, SIZE + 1):
        for matches in range(trials + 1):
            walk = sequential.Walk(TENTH, bits, matches, trials, SIZE)
            reached[matches, trials] = sequential.wealth_bits(matches, trials, TENTH) >= bits
            futile[matches, trials] = walk.stand == "futile"
    return reached, futile


def tests(bits: float, which: Sequence[str]) -> Callable[[Rng, int], Shown]:
    """Return who names one of these tests when the answers of a record are known."""
    reached, futile = walks(bits)
    exact = stats.minimum_matches(bits, SIZE, TENTH)

    def play(rng: Rng, count: int) -> Shown:
        hits = (rng.random((count, SIZE), np.float32) < 0.1).cumsum(axis=1)
        columns = np.arange(1, SIZE + 1)
        up, over = reached[hits, columns], futile[hits, columns]
        first_up = np.where(up.any(axis=1), up.argmax(axis=1), SIZE)
        first_over = np.where(over.any(axis=1), over.argmax(axis=1), SIZE)
        found = {"e-process": (first_up < SIZE) & (first_up <= first_over), "exact": hits[:, -1] >= exact}
        return np.asarray(np.any([found[one] for one in which], axis=0))

    return play


Play = tuple[str, str, str, int, Callable[[Rng, int], Shown]]


def plays() -> Iterator[Play]:
    """Yield who plays, how, under which rule, how many tries it admits, and how they come out."""
    one, two = claim(), claim(lots=2, suspects=4, readings=2)
    waiting = [challenge(one, number, suspect=number) for number in range(1, 41)]
    others = [claim(number=number) for number in range(40)]
    copies = [challenge(about, number, suspect=number) for number, about in enumerate(others, 1)]
    declined = [challenge(one, number, draws=PART) for number in range(1, 31)]
    again = [challenge(two, number, suspect=number % 4, lot=number % 2) for number in range(1, 41)]
    for how, rule, tries in (
        ("forty suspects frozen before the first verdict", "old", 40),
        ("forty suspects frozen before the first verdict", "new", admitted(waiting, [one])),
        ("one lot under forty claims of the key, a suspect each", "old", 40),
        ("one lot under forty claims of the key, a suspect each", "new", admitted(copies, others)),
    ):
        yield "owner", how, rule, tries, independent(tries, needed(one))
    for rule, tries in (("old", 30), ("new", admitted(declined, [one]))):
        yield "owner", "answers the nonce that suits, of thirty", rule, tries, parts(tries, needed(one, PART))
    tries = admitted(again, [two])
    yield (
        "owner",
        "all that two lots, four suspects and two readings allow",
        "new",
        2 * tries,
        independent(2 * tries, needed(two)),
    )
    wide = claim(lots=16)
    yield "owner", "names the best of sixteen lots for one suspect", "new", 16, independent(16, needed(wide))
    copied = claim(names=62)
    named = [challenge(copied, number, recipient=f"customer {number}" * (number > 0)) for number in range(63)]
    for rule, tries, about in (("old", 63, one), ("new", admitted(named, [copied]), copied)):
        how = "names the best of 62 recipients, or none, for a suspect he has seen"
        yield "owner", how, rule, tries, independent(tries, needed(about))
    both = ("exact", "e-process")
    yield "judge", "names the better test when the answers are known", "old", 2, tests(target(one), both)
    yield "judge", "names the better test when the answers are known", "new", 2, tests(target(one, late=True), both)
    for test in both:
        yield "judge", f"looks after every answer, {test} test named before", "new", 1, tests(target(one), [test])
    for rule, tries in (
        ("old", 50),
        ("new, challenge of version 1", 50),
        ("new, one token or round", 1),
    ):
        yield (
            "judge",
            "makes nonces of a drawn part until one suits, of fifty",
            rule,
            tries,
            parts(tries, needed(one, PART)),
        )
    yield "suspect", "answers one class to everything, or as he likes", "new", 1, independent(1, needed(one))


def row(play: Play, disputes: int, seed: int) -> dict[str, object]:
    """Return how often one play ends in ``dependence-shown``."""
    who, how, rule, tries, outcome = play
    rng, shown, left = np.random.default_rng(seed), 0, disputes
    while left:
        count = min(left, 100_000)
        shown += int(outcome(rng, count).sum())
        left -= count
    rate, stated = shown / disputes, 2.0**-BAR
    return {
        "study": "dispute-odds", "player": who, "play": how, "rule": rule, "tries": tries, "disputes": disputes, "seed": seed,
        "shown": shown, "rate": rate, "stated": stated, "times_stated": round(rate / stated, 3),
        "error": round(float(np.sqrt(rate * (1 - rate) / disputes)) / stated, 4),
    }  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--disputes", type=int, default=1_000_000)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--save", action="store_true", help="write benchmarks/results/dispute-odds.jsonl")
    chosen = words.parse_args()
    lines = []
    for play in plays():
        lines.append(json.dumps(row(play, chosen.disputes, chosen.seed)))
        print(lines[-1], flush=True)
    if chosen.save:
        RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
