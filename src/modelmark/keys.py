"""Keys and marks: a secret with a scheme, what is publicly said about it, and what is read with it."""

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from modelmark import canonical, commitment, hashing, stats, weights
from modelmark.canonical import Json
from modelmark.draw import CHARGES, Draw
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence import BAR, Charge, Evidence, Observation, charge_tries
from modelmark.interface import Interface
from modelmark.schemes import reference
from modelmark.schemes.base import Attachments, Carriers, Embedding, Scheme, Symbols, public_parameters
from modelmark.secret import Secret
from modelmark.suspect import Suspect, WhiteBox
from modelmark.task import Task


@dataclass(frozen=True)
class Key:
    """A scheme, a secret, and what the secret cannot re-derive. Written once, never changed.

    Args:
        scheme: resolved: no default is left open.
        secret: 32 bytes.
        interface: how the model is fed.
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
    interface: Interface
    attachments: Attachments = field(default_factory=dict)
    arch: str = ""
    data: str = ""
    host: str = ""
    created: str = ""
    self_check: bool = False
    draw_kind: str = "offline"

    @cached_property
    def carriers(self) -> Carriers:
        """The carriers, derived or attached."""
        return self.scheme.carriers(self.secret, self.interface, self.attachments)

    @cached_property
    def statement(self) -> dict[str, Json]:
        """The public statement: all that is fixed before the draw, with the private parts behind commitments."""
        trials, alphabet = self.scheme.shape(self.interface)
        leaves = self.scheme.leaves(self.carriers, self.secret, self.interface, self.attachments)
        private = ({"arch": self.arch} if self.arch else {}) | {
            name: str(getattr(self.scheme, name)) for name in self.scheme.private
        }
        concealed: dict[str, Json] = {
            name: commitment.conceal(self.secret, name, value.encode()).hex() for name, value in private.items()
        }
        return {
            "type": "modelmark.statement",
            "v": 1,
            "scheme": reference(self.scheme),
            "parameters": public_parameters(self.scheme),
            "concealed": concealed,
            "root": commitment.commit(self.secret, leaves).hex(),
            "carriers": len(leaves),
            "trials": trials,
            "alphabet": alphabet,
            "interface": self.interface.public(),
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

    def mark(self, draw: Draw | None = None) -> "Mark":
        """Return the mark that this key and a draw (by default the offline one) define.

        Raises:
            UsageError: the key waits for a deposit, and no draw is given.
        """
        return Mark(self, draw or self.draw())


def keygen(
    scheme: Scheme,
    model: nn.Module,
    interface: Interface,
    *,
    task: Task | None = None,
    secret: Secret | None = None,
    attachments: Mapping[str, npt.NDArray[np.generic]] | None = None,
    arch: str = "",
    data: str = "",
    host: str = "",
    bar: float = BAR,
    self_check: bool = False,
    draw_kind: str = "offline",
) -> Key:
    """Return a new key for models like ``model``.

    Args:
        scheme: with or without defaults left open.
        model: any model of the architecture to be marked; its weights matter to ``deepsigns-blackbox`` alone.
        interface: how it is fed.
        task: the owner's data, for schemes whose carriers are made of it.
        secret: drawn from the operating system unless given.
        attachments: own pictures or imported matrices.
        arch: kept in the key, so that a suspect's weights alone suffice later.
        data: kept in the key.
        host: digest of the unmarked host's weights, to be committed before the draw.
        bar: net bits that full evidence of this key must reach.
        self_check: make a key that is never evidence, of any size.
        draw_kind: ``timestamp`` or ``beacon`` for a key that is to be claimed and deposited before its message is known.

    Raises:
        CapacityError: full evidence of this key would stay below the bar, or the message does not fit the layer.
        UsageError: the model has no place for the mark, or the scheme needs data and was given none.
        MismatchError: model, interface and data do not belong together.
    """
    if draw_kind not in CHARGES:
        raise UsageError(f"expected a draw of kind {', '.join(CHARGES)}, got {draw_kind!r}")
    attachments = dict(attachments or {})
    secret = secret or Secret.generate()
    resolved = scheme.resolve(model, interface, attachments)
    resolved.check(model, interface)
    if not self_check and not resolved.objection():
        _require_reach(resolved, interface, bar, draw_kind)
    if task is not None:
        task = task.fed_as(interface)
    attachments |= resolved.attach(secret, model, task)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Key(resolved, secret, interface, attachments, arch, data, host, now, self_check, draw_kind)


_ARTICLES = {"offline": "an offline", "timestamp": "a timestamp", "beacon": "a beacon"}


def _require_reach(scheme: Scheme, interface: Interface, bar: float, draw_kind: str) -> None:
    trials, alphabet = scheme.shape(interface)
    needed = bar + CHARGES[draw_kind]
    smallest = stats.minimum_trials(needed, Fraction(1, alphabet))
    if trials < smallest:
        raise CapacityError(
            f"expected at least {smallest} symbols of alphabet {alphabet} "
            f"({bar:g} bits and {CHARGES[draw_kind]} charged for {_ARTICLES[draw_kind]} draw), got {trials}",
            hint="use more, or --self-check for a key that is never evidence",
        )


@dataclass(frozen=True)
class Mark:
    """A key with its draw; only it can embed, read and weigh.

    Args:
        key: the key.
        draw: bound to this key's statement.
    """

    key: Key
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

    def embedding(self, model: nn.Module, *, seed: int = 0) -> Embedding:
        """Return the hooks that embed this mark into ``model`` in any training loop."""
        return self.key.scheme.embedding(self.key.carriers, self.message, model, self.key.interface, seed=seed)

    def margins(self, model: nn.Module) -> Tensor:
        """Return how clearly ``model`` gives each symbol, ``(trials,)``; negative where it gives another."""
        return self.embedding(model).margins(model)

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
        key = self.key
        if align_to is None:
            symbols = key.scheme.extract(key.carriers, suspect, key.interface)
        else:
            symbols, readings = self._better(suspect, self._aligned(suspect, align_to)), readings + 1
        matches, trials = int((symbols.values == self.message).sum()), len(self.message)
        name = reference(key.scheme)
        objection = key.scheme.objection() or objection
        if not objection and key.scheme.chosen_message(key.secret, key.interface, key.attachments) is not None:
            objection = "the message was chosen, not drawn"
        if objection:
            unmarked = tuple(self._rate(other) for other in references)
            return Observation(name, matches, trials, objection, symbols.queries, unmarked, symbols.note)
        _, alphabet = key.scheme.shape(key.interface)
        charges = (
            Charge(f"{self.draw.kind} draw", float(self.draw.charge)),
            *charge_tries("suspects tried", suspects),
            *charge_tries("readings tried", readings),
        )
        return Evidence(
            name, matches, trials, Fraction(1, alphabet), charges, symbols.queries, bar, key.self_check,
            root=str(key.statement["root"]), note=symbols.note,
        )  # fmt: skip

    def _rate(self, suspect: Suspect) -> float:
        symbols = self.key.scheme.extract(self.key.carriers, suspect, self.key.interface)
        return float((symbols.values == self.message).mean())

    def _better(self, naive: Suspect, aligned: Suspect) -> Symbols:
        """Return the reading that matches more; a suspect with added channels can only be read aligned."""
        found = [self.key.scheme.extract(self.key.carriers, aligned, self.key.interface)]
        with contextlib.suppress(MismatchError):
            found.append(self.key.scheme.extract(self.key.carriers, naive, self.key.interface))
        return max(found, key=lambda symbols: int((symbols.values == self.message).sum()))

    def _aligned(self, suspect: Suspect, host: nn.Module) -> Suspect:
        """Return the suspect in the host's order of channels. A marked host would carry the message into the reading."""
        if not self.key.host:
            raise MismatchError(
                f"expected a key that committed to a host, this {self.key.scheme.name} key was made without one",
                hint="keygen --host",
            )
        if self.key.host != weights.digest(host.state_dict()):
            raise MismatchError(
                "expected the unmarked host that the key committed to before the draw, got other weights",
                hint="a marked model knows the message, and what is aligned to it would match; see keygen --host",
            )
        if not isinstance(suspect, WhiteBox):
            raise MismatchError("expected a suspect whose weights are at hand to align, got its answers alone")
        from modelmark import align  # loads scipy's optimisers and torch's tracer

        return WhiteBox(align.align(suspect.model, host, self.key.interface), self.key.interface.classes)
