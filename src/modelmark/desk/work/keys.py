"""Keys that somebody dropped: opened, and drawn as their claim says."""

from collections.abc import Sequence
from pathlib import Path

from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.dates.timestamp import Authority
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.dispute import Deposit
from modelmark.desk.given import Given
from modelmark.errors import UsageError
from modelmark.marks import keyfile
from modelmark.marks.keys import Key
from modelmark.marks.marks import Mark


def opened(given: Given) -> list[Key]:
    """Return the keys, in the order in which they were dropped.

    Raises:
        PassphraseError: the passphrase is wrong, or lacking.
        UsageError: one twice, or a key of a scheme that is not modelmark's own.
    """
    keys = [_opened(path, given.passphrase) for path in given.every("key")]
    if len({key.digest for key in keys}) < len(keys):
        raise UsageError("expected different keys, got the same one twice")
    return keys


def _opened(path: Path, passphrase: str) -> Key:
    locked = keyfile.read(path)
    return locked.unlock(passphrase or None)


def trust(given: Given) -> Trust:
    """Return the timestamp authorities that were dropped."""
    return Trust([Authority.load(path) for path in given.every("authorities")])


def marks(given: Given, keys: Sequence[Key]) -> list[Mark]:
    """Return the marks of keys: drawn by the deposit of their claim, or offline.

    Raises:
        MismatchError: the claim is about other keys.
        UsageError: a key waits for a deposit, and none was dropped; a deposit without its claim, or the other way round.
    """
    claim, paper = given.one("claim"), given.one("deposit")
    if claim is None and paper is None:
        if any(key.draw_kind != "offline" for key in keys):
            raise UsageError(
                "expected the claim and the deposit of a key that waits for a timestamp, got none",
                hint="open the last part of the form, and drop both with the authorities that you trust",
            )
        return [key.mark() for key in keys]
    if claim is None:
        raise UsageError("expected the claim with its deposit, got the deposit alone")
    signed = envelope.load(paper, Deposit) if paper else None
    dated = deposit.check(envelope.load(claim, Claim), signed, trust(given))
    return [key.mark(dated.draw_of(key.digest, key.draw_kind)) for key in keys]
