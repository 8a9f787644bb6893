"""Lots: which carriers a challenge asks for, and that the claimant has no say in it.

A public session consumes whole lots; where only some trials of a lot are opened, the judge's nonce and the suspect draw
them. A claimant who may pick 40 of 1,000 trials finds 40 that match by luck on any model.
"""

from fractions import Fraction

from modelmark import hashing
from modelmark.claim.papers import recipients
from modelmark.claim.papers.claim import Claim, Entry, copies
from modelmark.claim.papers.dispute import MOST_LEAVES, Challenge
from modelmark.errors import CapacityError, MismatchError
from modelmark.evidence import stats
from modelmark.evidence.evidence import Charge, charge_tries
from modelmark.key.draw import CHARGES


def split(trials: int, lots: int) -> tuple[int, ...]:
    """Return the sizes of ``lots`` lots that cover ``trials``, as equal as can be, larger ones first.

    Raises:
        ValueError: a lot would be empty.
    """
    if not 1 <= lots <= trials:
        raise ValueError(f"expected 1 to {trials} lots, got {lots}")
    return tuple(trials // lots + (number < trials % lots) for number in range(lots))


def trials(entry: Entry, lot: int) -> range:
    """Return the trials of lot number ``lot``.

    Raises:
        MismatchError: there is no such lot.
    """
    if not 0 <= lot < len(entry.lots):
        raise MismatchError(f"expected a lot from 0 to {len(entry.lots) - 1}, got {lot}")
    first = sum(entry.lots[:lot])
    return range(first, first + entry.lots[lot])


def require(claim: Claim, key: int, lot: int) -> Entry:
    """Return the entry of a key that the claim has, with the lot.

    Raises:
        MismatchError: there is no such key or lot.
    """
    if not 0 <= key < len(claim.keys):
        raise MismatchError(f"expected a key from 0 to {len(claim.keys) - 1} of the claim, got {key}")
    trials(claim.keys[key], lot)
    return claim.keys[key]


def drawn(challenge: Challenge, entry: Entry) -> tuple[int, ...]:
    """Return the trials that a challenge asks about, ascending: the lot, or so many of it drawn by nonce and suspect.

    Raises:
        MismatchError: there is no such lot, or it has fewer trials, or it is the only lot of carriers that are not trials; or
            more is asked for than an opening holds.
    """
    lot = trials(entry, challenge.lot)
    _require_openable(entry, challenge.draws or len(lot))
    if not challenge.draws:
        return tuple(lot)
    if not entry.statement.apart:
        raise MismatchError(
            f"expected the whole lot of a mark whose trials share carriers, got a draw of {challenge.draws}"
        )
    if challenge.draws > len(lot):
        raise MismatchError(f"expected a whole lot or at most {len(lot)} of its trials, got {challenge.draws}")
    parts = (entry.statement.root, challenge.suspect.digest, challenge.nonce, challenge.claim)
    return tuple(lot[i] for i in choose(len(lot), challenge.draws, "open", *map(bytes.fromhex, parts)))


def carriers(challenge: Challenge, entry: Entry) -> tuple[int, ...]:
    """Return the carriers to be opened, ascending: those of the trials, or all where carriers are not trials."""
    return _carriers(entry, drawn(challenge, entry))


def span(entry: Entry, lot: int) -> range:
    """Return the carriers of a whole lot as a range: those of its trials, or all where carriers are not trials.

    Raises:
        MismatchError: there is no such lot.
    """
    found = trials(entry, lot)
    return found if entry.statement.apart else range(entry.statement.carriers)


def whole(entry: Entry, lot: int) -> tuple[int, ...]:
    """Return the carriers of a whole lot, ascending.

    Raises:
        MismatchError: there is no such lot, or an opening could not hold it.
    """
    found = trials(entry, lot)
    _require_openable(entry, len(found))
    return _carriers(entry, tuple(found))


def choose(count: int, wanted: int, tag: str, *parts: bytes) -> tuple[int, ...]:
    """Return ``wanted`` of the numbers below ``count``, ascending; all choices are equally likely.

    A Fisher-Yates shuffle stopped after ``wanted`` steps; step i draws below ``count - i`` from 64-bit big-endian words of
    ``XOF(tag, parts, i)``, skipping those at or above the largest multiple.

    Raises:
        ValueError: more are wanted than there are.
    """
    if not 0 <= wanted <= count:
        raise ValueError(f"expected at most {count} to be chosen, got {wanted}")
    return tuple(sorted(_dealt(count, wanted, tag, *parts)))


def shuffled(count: int, tag: str, *parts: bytes) -> tuple[int, ...]:
    """Return the numbers below ``count`` in the order of a whole shuffle; see ``choose``."""
    return tuple(_dealt(count, count, tag, *parts))


def charges(
    claim: Claim, readings: int = 1, *, key: int = 0, recipient: str = "", listed: bool = False
) -> tuple[Charge, ...]:
    """Return what a claim's freedom costs in bits: its draw, lots, suspects, readings, prior claims, and names of copies.

    Args:
        claim: whose freedom it is.
        readings: that were tried, where a suspect left more places to read from than the claim foresaw.
        key: number of the key.
        recipient: whose copy is looked for; empty for the key's own message.
        listed: whether the name is on the claim's list.
    """
    lots = sum(len(entry.lots) for entry in claim.keys)
    word = "that may be tried" if readings <= claim.policy.readings else "tried, more than the claim foresaw"
    return (
        Charge(f"{claim.draw.kind} draw", float(CHARGES[claim.draw.kind])),
        *charge_tries("lots", lots),
        *charge_tries("suspects that may be tried", claim.policy.suspects),
        *charge_tries(f"readings {word}", max(readings, claim.policy.readings)),
        *charge_tries("claims on this matter", 1 + len(claim.prior)),
        *recipients.charges(copies(claim, key), recipient, listed=listed),
    )


def require_reach(claim: Claim) -> Claim:
    """Return the claim if every lot, fully matched, reaches the bar after all charges.

    Raises:
        CapacityError: one does not; it names the smallest size that would.
        MismatchError: an opening could not hold one that has to be opened whole.
    """
    for number, entry in enumerate(claim.keys):
        needed = claim.policy.bar + sum(charge.bits for charge in charges(claim, key=number))
        if not entry.statement.apart:  # of others, a part of a lot can be opened
            _require_openable(entry, entry.statement.trials)
        smallest = stats.minimum_trials(needed, Fraction(1, entry.statement.alphabet))
        if min(entry.lots) < smallest:
            raise CapacityError(
                f"expected lots of at least {smallest} trials in key {number} ({needed:.1f} bits with all charges), "
                f"got {min(entry.lots)}",
                hint="fewer and larger lots, or a larger key",
            )
    return claim


def _require_openable(entry: Entry, trials: int) -> None:
    """Raise MismatchError unless so many trials, and the carriers that they take, can be opened: what follows costs as much."""
    statement = entry.statement
    most = max(trials, 0 if statement.apart else statement.carriers)
    if most > MOST_LEAVES:
        what = "trials" if most == trials else "carriers"
        raise MismatchError(
            f"expected at most {MOST_LEAVES} {what}, as an opening holds, got {most}",
            hint="smaller lots, or a part of one: --draws" if statement.apart else "a smaller key",
        )


def _carriers(entry: Entry, trials: tuple[int, ...]) -> tuple[int, ...]:
    return trials if entry.statement.apart else tuple(range(entry.statement.carriers))


def _dealt(count: int, wanted: int, tag: str, *parts: bytes) -> list[int]:
    moved: dict[int, int] = {}
    out = []
    for step in range(wanted):
        other = step + _below(count - step, tag, *parts, step.to_bytes(8, "big"))
        out.append(moved.get(other, other))
        moved[other] = moved.get(step, step)
    return out


def _below(bound: int, tag: str, *parts: bytes) -> int:
    limit, words = 2**64 // bound * bound, 4
    while True:
        stream = hashing.expand(8 * words, tag, *parts)
        for start in range(0, len(stream), 8):
            word = int.from_bytes(stream[start : start + 8], "big")
            if word < limit:
                return word % bound
        words *= 2
