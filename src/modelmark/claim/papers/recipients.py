"""Copies of recipients under a claim: what the claim says of them beforehand, and what a message that may be chosen costs.

The draw gives every name a message, so whoever has seen a suspect could try names until one suits. What may be found there is
therefore shared out beforehand: one part for the key's own message, one for each name of a list that the claim fixes before its
draw, one for all other names together. Of that last part a name has as much less as its bytes could have been otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from modelmark.claim.papers import merkle, records
from modelmark.claim.papers.records import Digest, MaybeDigest
from modelmark.claim.papers.shapes import Hex, Integer, Listed
from modelmark.errors import MalformedError, UsageError
from modelmark.evidence.evidence import Charge, charge_name, charge_tries
from modelmark.key import commitment
from modelmark.key.draw import canonical_name
from modelmark.key.secret import Secret
from modelmark.naming import counted

MOST_NAMES = 2**20
SCHEMES = ("spread",)
"""Whose copies carry messages of their own."""


@dataclass(frozen=True)
class Recipients:
    """What a claim says of the copies of one of its keys.

    Args:
        key: number of the key in the claim.
        count: names of the list, 0 where there is none.
        root: over the names as salted leaves, hex; empty where there is no list.
    """

    key: Annotated[int, Integer(0, 63)]
    count: Annotated[int, Integer(0, MOST_NAMES)]
    root: MaybeDigest

    def __post_init__(self) -> None:
        records.check(self)
        if bool(self.count) != bool(self.root):
            raise ValueError(f"expected a root exactly where there are names, got {self.count} names")


@dataclass(frozen=True)
class Listing:
    """Where a name stands on a claim's list: number, salt (hex), and the nodes that lead from its leaf to the root."""

    index: Annotated[int, Integer(0, MOST_NAMES - 1)]
    salt: Digest
    proof: Annotated[tuple[str, ...], Listed(Hex(32), 0, 20)] = ()

    def __post_init__(self) -> None:
        records.check(self)


def fix(key: int, names: Iterable[str], secret: Secret) -> Recipients:
    """Return what a claim says of the copies of a key: that there are some, and the list of their recipients, if any is fixed.

    Raises:
        UsageError: see ``ordered``.
    """
    leaves = _leaves(ordered(names), secret)
    return Recipients(key, len(leaves), commitment.root(leaves).hex() if leaves else "")


def show(said: Recipients, name: str, names: Iterable[str], secret: Secret) -> Listing | None:
    """Return where a name stands on the list, None where it does not.

    Args:
        said: in the claim.
        name: whose copy is judged.
        names: the list, in any order.
        secret: of the key.

    Raises:
        UsageError: it is not the claim's list.
    """
    listed = ordered(names)
    leaves = _leaves(listed, secret)
    if not leaves or commitment.root(leaves).hex() != said.root:
        raise UsageError(
            f"expected the {counted(said.count, 'name')} that the claim fixed, got {len(listed)} or others"
        )
    if name not in listed:
        return None
    index = listed.index(name)
    proof = tuple(node.hex() for node in merkle.prove(leaves, [index]))
    return Listing(index, _salt(secret, index).hex(), proof)


def require_listed(said: Recipients, name: str, shown: Listing) -> None:
    """Raise MalformedError unless a name stands where an opening says on the claim's list."""
    leaf = commitment.leaf(shown.index, bytes.fromhex(shown.salt), name.encode())
    root = merkle.root_of(said.count, {shown.index: leaf}, [bytes.fromhex(node) for node in shown.proof])
    if root.hex() != said.root:
        raise MalformedError("expected a recipient on the list that the claim fixed, got another")


def charges(said: Recipients | None, name: str, *, listed: bool) -> tuple[Charge, ...]:
    """Return what it costs that a message could be chosen: nothing where the claim says that the key has no copies.

    Args:
        said: of the challenged key's copies.
        name: whose message is looked for; empty for the key's own.
        listed: whether the name is on the claim's list.
    """
    if said is None:
        return ()
    own = charge_name(name) if name and not listed else ()
    word = "names off the list" if said.count else "all names"
    return (*charge_tries(f"messages, {word} counted as one", said.count + 2), *own)


def ordered(names: Iterable[str]) -> Sequence[str]:
    """Return names in Unicode's form C, ascending, each once.

    Raises:
        UsageError: no name, or more than ``MOST_NAMES``.
    """
    try:
        found = sorted({canonical_name(name) for name in names})
    except ValueError as error:
        raise UsageError(str(error)) from None
    if len(found) > MOST_NAMES:
        raise UsageError(f"expected at most {MOST_NAMES} names, got {len(found)}")
    return found


def _leaves(names: Sequence[str], secret: Secret) -> list[bytes]:
    return [commitment.leaf(i, _salt(secret, i), name.encode()) for i, name in enumerate(names)]


def _salt(secret: Secret, index: int) -> bytes:
    return secret.bytes(f"recipient/{index}", commitment.SALT_SIZE)
