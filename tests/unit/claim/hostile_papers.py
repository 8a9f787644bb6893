"""Papers that are rightly signed and cost their reader as much as they can: small to send, large to judge."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from claim_cases import NONCE, OWNER, at, challenged, laid

from modelmark.claim.judging.judge import Papers
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.interface import PublicInterface
from modelmark.claim.papers.statement import Statement
from modelmark.key import commitment
from modelmark.key.secret import Secret

SECRET = Secret(bytes(32))


def statement(
    scheme: str, trials: int, *, carriers: int = 0, alphabet: int = 10, outputs: int = 10,
    shape: tuple[int, ...] = (1, 28, 28), concealed: Sequence[tuple[str, str]] = (), **parameters: object,
) -> Statement:  # fmt: skip
    """Return a statement of these numbers, over no key at all."""
    face = PublicInterface(shape, outputs, "00" * 32, (0,), (10_000,), 255)
    hidden = {name: commitment.conceal(SECRET, name, value.encode()).hex() for name, value in concealed}
    return Statement(
        "modelmark.statement", 1, scheme, dict(parameters), hidden, "00" * 32, carriers or trials, trials, alphabet, face,
        "the largest output", "", False,
    )  # fmt: skip


def claimed(one: Statement, **policy: int) -> Signed[Claim]:
    """Return a claim of one key with one lot."""
    rules = Policy(**({"bar": 8, "suspects": 4} | policy))
    entry = Entry(one, (one.trials,))
    return envelope.sign(Claim(OWNER.signers, "", at(0), NONCE, (entry,), DrawRule("offline"), rules), OWNER)


def opened(
    one: Statement, leaves: Sequence[bytes], suspect: object, shown: Sequence[tuple[str, str]] = (), **policy: int
) -> Papers:
    """Return the papers of a dispute about these leaves, all opened."""
    own = dataclasses.replace(one, root=commitment.commit(SECRET, leaves).hex())
    claim = claimed(own, **policy)
    return laid(claim, challenged(claim, suspect), SECRET, leaves, shown=dict(shown))


def pictures(count: int, shape: tuple[int, ...], line: bytes = b"") -> list[bytes]:
    """Return leaves of grey pictures."""
    prefix = line + f"uint8 {'x'.join(map(str, shape))}\n".encode()
    rows = np.arange(count)[:, None] + np.arange(int(np.prod(shape)))
    return [prefix + row.astype(np.uint8).tobytes() for row in rows]


def filters(count: int) -> list[bytes]:
    """Return leaves of filters of one pixel each."""
    return [b"filter %d %d %d" % (i // 28 % 28, i % 28, i % 2) for i in range(count)]


def null(trials: int, each: int, count: int) -> tuple[Statement, list[bytes]]:
    """Return a key in which ``trials * each`` queries are made of ``count`` pictures of 28 x 28, and its carriers."""
    leaves = [*filters(1 + trials), *pictures(count, (1, 28, 28), b"label 0\n")]
    return statement("null", trials, carriers=len(leaves), side=1, amplitude=2000, queries=each, pictures=count), leaves


def deepsigns(classes: int, suspect: object, arch: str = "cnn") -> Papers:
    """Return a dispute whose network, by the claim's word, has so many classes."""
    shape, shown = (1, 8, 8), (("arch", arch), ("layer", "fc"))
    rows = [np.arange(256, dtype=">i4").tobytes() for _ in range(256)]
    leaves = [*rows, *pictures(4, shape, b"class 0\n")]
    one = statement(
        "deepsigns", 256, carriers=len(leaves), alphabet=2, outputs=classes, shape=shape, concealed=shown, bits=256, classes=1,
        width=(256,),
    )  # fmt: skip
    return opened(one, leaves, suspect, shown)
