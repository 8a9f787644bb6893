"""Keys: a secret with a scheme, and what is publicly said about it."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from modelmark import canonical, hashing
from modelmark.canonical import Json
from modelmark.carriers.base import Carriers
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.tokenizer import Tokenizer
from modelmark.key import commitment
from modelmark.key.draw import CHARGES, Draw
from modelmark.key.secret import Secret
from modelmark.marks.marks import Mark
from modelmark.marks.reaching import require_reach
from modelmark.schemes import reference
from modelmark.schemes.base import Attachments, Material, Scheme, Worded, access_of, public_parameters
from modelmark.suspects.base import Access

if TYPE_CHECKING:
    from torch import nn

    from modelmark.training.task import Task


@dataclass(frozen=True)
class Key:
    """A scheme, a secret, and what the secret cannot re-derive. Written once, never changed.

    Args:
        scheme: resolved: no default is left open.
        secret: 32 bytes.
        feed: how the model is fed.
        attachments: own pictures or imported matrices, by name.
        arch: how to build the model: a name in ``modelmark.models`` or ``module:factory``; may be empty.
        data: where the owner's data was; may be empty.
        host: digest of the unmarked host's weights, hex, where one was committed; else empty.
        created: ISO 8601 date and time, UTC.
        self_check: a key for trying things out, whose evidence is never established.
        draw_kind: where its message comes from: ``offline``, or ``timestamp`` or ``beacon`` and never without that deposit.
    """

    scheme: Scheme
    secret: Secret
    feed: Feed
    attachments: Attachments = field(default_factory=dict)
    arch: str = ""
    data: str = ""
    host: str = ""
    created: str = ""
    self_check: bool = False
    draw_kind: str = "offline"

    @property
    def access(self) -> Access:
        """What reading this mark takes: the answers of a model, or its weights."""
        return access_of(self.scheme)

    @property
    def material(self) -> Material:
        """What the carriers are made of."""
        return Material(self.secret, self.feed, self.attachments)

    @cached_property
    def carriers(self) -> Carriers:
        """The carriers, derived or attached."""
        return self.scheme.carriers(self.material)

    @property
    def private(self) -> dict[str, str]:
        """What the statement conceals, by name; an opening reveals it."""
        values = {name: str(getattr(self.scheme, name)) for name in self.scheme.private}
        return ({"arch": self.arch} if self.arch else {}) | values

    @cached_property
    def statement(self) -> dict[str, Json]:
        """The public statement: all that is fixed before the draw, with the private parts behind commitments."""
        trials, alphabet = self.scheme.size(self.feed)
        leaves = self.carriers.leaves()
        concealed: dict[str, Json] = {
            name: commitment.conceal(self.secret, name, value.encode()).hex() for name, value in self.private.items()
        }
        return {
            "type": "modelmark.statement",
            "v": 1 if self.feed.kind == "pictures" else 2,
            "scheme": reference(self.scheme),
            "parameters": public_parameters(self.scheme),
            "concealed": concealed,
            "root": commitment.commit(self.secret, leaves).hex(),
            "carriers": len(leaves),
            "trials": trials,
            "alphabet": alphabet,
            "interface": self.feed.public(),
            "reading": self.scheme.reading,
            "host": self.host,
            "self_check": self.self_check,
        }

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical public statement; the draw binds it."""
        return hashing.digest("statement", canonical.encode(self.statement))

    @property
    def fingerprint(self) -> str:
        """The statement's digest in hex: names the key without showing anything of it."""
        return self.digest.hex()

    def draw(self, *, offline: bool = False) -> Draw:
        """Return the offline draw: a hash of the statement alone.

        Args:
            offline: take it for a key that waits for a deposit too; what is embedded then is no mark of its claim.

        Raises:
            UsageError: the key waits for a deposit.
        """
        if self.draw_kind != "offline" and not offline:
            raise UsageError(
                f"expected the deposit of this {self.scheme.name} key's claim, which draws its message, got none",
                hint="--deposit FILE, or --offline for a mark that does not belong to the claim",
            )
        return Draw(self.digest)

    def mark(self, draw: Draw | None = None) -> Mark:
        """Return the mark that this key and a draw (by default the offline one) define.

        Raises:
            UsageError: the key waits for a deposit, and no draw is given.
        """
        return Mark(self, draw or self.draw())


@dataclass(frozen=True)
class Provenance:
    """Where the owner's model comes from; kept in the key.

    Args:
        arch: how to build it, so that a suspect's weights alone suffice later.
        data: where the owner's data was.
        host: digest of the unmarked host's weights, to be committed before the draw.
    """

    arch: str = ""
    data: str = ""
    host: str = ""


@dataclass(frozen=True)
class KeyPolicy:
    """What evidence of a key is to be worth.

    Args:
        bar: net bits that full evidence must reach.
        self_check: make a key that is never evidence, of any size.
        draw: ``offline``; ``timestamp`` or ``beacon`` for a key that is claimed and deposited before its message is known.
    """

    bar: float = BAR
    self_check: bool = False
    draw: str = "offline"


def keygen(
    scheme: Scheme,
    model: "nn.Module",
    feed: Feed,
    *,
    task: "Task | None" = None,
    secret: Secret | None = None,
    attachments: Mapping[str, npt.NDArray[np.generic]] | None = None,
    owner: Provenance = Provenance(),
    policy: KeyPolicy = KeyPolicy(),
    tokenizer: Tokenizer | None = None,
) -> Key:
    """Return a new key for models like ``model``.

    Args:
        scheme: with or without defaults left open.
        model: any model of the architecture to be marked; its weights matter to ``blackmarks``, ``deepsigns-blackbox`` and
            ``frontier``.
        feed: how it is fed.
        task: the owner's data, for schemes whose carriers are made of it.
        secret: drawn from the operating system unless given.
        attachments: own pictures or imported matrices.
        owner: where the model comes from.
        policy: what evidence is to be worth.
        tokenizer: of a language model, so that the carriers of a scheme that asks it are kept as texts too.

    Raises:
        CapacityError: full evidence of this key would stay below the bar, or the message does not fit the layer.
        UsageError: the model has no place for the mark, the scheme needs data and was given none, or its reading needs something
            revealed that it does not conceal.
        MismatchError: model, interface and data do not belong together.
    """
    if policy.draw not in CHARGES:
        raise UsageError(f"expected a draw of kind {', '.join(CHARGES)}, got {policy.draw!r}")
    attachments = dict(attachments or {})
    secret = secret or Secret.generate()
    from modelmark.networks.calling import require_room
    from modelmark.networks.trainable import require_sizes

    require_sizes(model)
    if vocabulary := getattr(feed, "vocabulary", 0):
        require_room(model, vocabulary, feed.input_shape[0])
    resolved = scheme.for_model(model, feed, attachments)
    resolved.check(model, feed)
    if lacking := [name for name in type(resolved).reads.reveals if name not in (*resolved.private, "arch")]:
        raise UsageError(
            f"expected {lacking[0]} among the private fields of {scheme.name}: its reading needs it revealed"
        )
    if not policy.self_check and not resolved.objection():
        require_reach(resolved, feed, policy.bar, policy.draw, lambda changed: _fits(changed, model, feed, attachments))
    if task is not None:
        task = task.fed_as(feed)
    if tokenizer is not None:
        feed = _made_with(tokenizer, resolved, feed)
    if tokenizer is not None and isinstance(resolved, Worded):
        attachments |= resolved.collect_texts(secret, model, task, tokenizer)
    else:
        attachments |= resolved.collect(secret, model, task)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Key(
        resolved, secret, feed, attachments, owner.arch, owner.data, owner.host, now, policy.self_check, policy.draw
    )


def _made_with(tokenizer: Tokenizer, scheme: Scheme, feed: Feed) -> Feed:
    """Return how a language model is fed, with the digest of its tokenizer."""
    if not isinstance(scheme, Worded) or not isinstance(feed, CausalFeed):
        raise UsageError(f"expected a tokenizer with a scheme that asks language models by text, got {scheme.name}")
    if feed.tokenizer not in ("", tokenizer.digest):
        raise MismatchError(f"expected the tokenizer {feed.tokenizer[:16]} of the data, got {tokenizer.digest[:16]}")
    if tokenizer.vocabulary > feed.vocabulary:
        raise MismatchError(
            f"expected a tokenizer of at most the {feed.vocabulary} tokens that the model knows, got {tokenizer.vocabulary}"
        )
    return replace(feed, tokenizer=tokenizer.digest)


def require_own_secrets(keys: Sequence[Key]) -> None:
    """Raise UsageError where two keys were made from one secret, which gives them the same salts.

    Opened for one key, the salts of the other are known: its carriers and its concealed values can be guessed and tried.
    """
    for number, key in enumerate(keys):
        for other in range(number):
            if keys[other].secret == key.secret:
                raise UsageError(
                    f"expected a secret of its own for every key, keys {other} and {number} have one, and so the same salts",
                    hint="keygen draws a new one for each key",
                )


def _fits(scheme: Scheme, model: "nn.Module", feed: Feed, attachments: Attachments) -> bool:
    try:
        scheme.for_model(model, feed, attachments)
    except UsageError:
        return False
    return True
