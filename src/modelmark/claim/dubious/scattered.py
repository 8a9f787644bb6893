"""The same proof for ``spread``: each weight of many layers belongs to one bit with one sign, and neither is shown.

The projection has one entry, +1 or -1, in each column: ``D_k = sign_k G_t + r_k H`` for the k-th weight, which belongs to bit t.
It is read by the second rule of ``carriers.spread``, the signs of the suspect's weights without the host, so that the public
numbers are -1, 0 and 1, nothing is rounded, and S takes one addition a weight. Which weights are numbered how (the layout) is
dated with the commitment, as its ``layer``; the assignment by seeds is what stays hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark import canonical, hashing
from modelmark.canonical import Json
from modelmark.carriers.spread import Run, Runs
from modelmark.claim.dubious import group, pedersen
from modelmark.claim.dubious.papers import Case
from modelmark.claim.dubious.pedersen import Commitment
from modelmark.claim.dubious.proof import Public
from modelmark.claim.papers.claim import Entry
from modelmark.errors import CapacityError, MismatchError, SuspectError
from modelmark.key.secret import Secret

Signs = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Witness:
    """What the owner keeps; arguments as of ``pedersen.Witness``, but for the projection.

    Args:
        where: the bit of each weight, ``(N,)``.
        sign: +1 or -1, ``(N,)``.
        rows: T.
    """

    where: npt.NDArray[np.int64] = field(repr=False)
    sign: npt.NDArray[np.int64] = field(repr=False)
    rows: int
    blinding: tuple[int, ...] = field(repr=False)
    seed: bytes = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """T and N."""
        return self.rows, len(self.where)

    def project(self, weights: Sequence[int]) -> list[int]:
        """Return X v, exactly: sums of at most 2^18 numbers."""
        sums = np.bincount(self.where, weights=self.sign * np.array(weights, np.int64), minlength=self.rows)
        return [int(total) for total in sums]


def layout(runs: Sequence[Run]) -> str:
    """Return what a commitment names in place of a layer: a digest of which weights are numbered how, seeds left out."""
    laid: Json = [{name: value for name, value in vars(run).items() if name != "seed"} for run in runs]
    return f"layout {hashing.digest('zk-layout', canonical.encode(laid)).hex()}"


def witness(secret: Secret, runs: Runs, root: bytes) -> Witness:
    """Return the opening that belongs to a key.

    Args:
        secret: the key's.
        runs: its carriers.
        root: the Merkle root of the key.

    Raises:
        CapacityError: more weights or bits than a commitment holds.
    """
    rows, columns = runs.bits, runs.weights
    if rows > pedersen.MOST_ROWS or columns > pedersen.MOST_COLUMNS:
        raise CapacityError(
            f"expected at most {pedersen.MOST_ROWS} bits in {pedersen.MOST_COLUMNS} weights, got {rows} in {columns}"
        )
    parts = [run.assigned(slice(run.first, run.first + run.count), rows) for run in runs.runs]
    where, sign = np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts]).astype(np.int64)
    content = (root, layout(runs.runs).encode(), rows.to_bytes(8, "big"), (sign * (where + 1)).astype(">i8").tobytes())
    use = hashing.digest("zk-witness", *content).hex()
    blinding = group.scalars(secret.bytes(f"zk/blinding/{use}", 64 * columns))
    return Witness(where, sign, rows, tuple(blinding), secret.bytes(f"zk/prover/{use}", 32))


def commit(kept: Witness, runs: Runs, root: bytes) -> Commitment:
    """Return the commitment that a witness opens: one multiplication and one addition a weight."""
    units = [pedersen.generator(bit) for bit in range(kept.rows)]
    points = [
        (group.add if sign > 0 else group.subtract)(group.base(blinding), units[bit])
        for bit, sign, blinding in zip(kept.where.tolist(), kept.sign.tolist(), kept.blinding, strict=True)
    ]
    return Commitment(root, layout(runs.runs), kept.rows, tuple(points))


def signs(runs: Sequence[Run], sheets: Sequence[Any]) -> Signs:
    """Return the public numbers, -1, 0 or 1 for each weight in the order of the layout, int8 ``(N,)``.

    Args:
        runs: seeds do not matter.
        sheets: what the suspect answers to ``Runs.probes``: filters of each layer, None where it has none.

    Raises:
        SuspectError: all are zero, or no numbers.
    """
    found = [
        np.zeros(run.weights) if sheet is None else _sign(sheet[run.first : run.first + run.count])
        for run, sheet in zip(runs, sheets, strict=True)
    ]
    whole = np.concatenate(found).astype(np.int8)
    if not whole.any():
        raise SuspectError("expected weights from the suspect, got none but zeros and what is no number")
    return whole


def _sign(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.where(np.isfinite(weights), np.sign(weights), 0).ravel()


@dataclass(frozen=True)
class Scattered(Public):
    """What both sides know, with ``weights`` as ``signs`` returns them."""

    def integers(self) -> list[int]:
        """Return v.

        Raises:
            MismatchError: there are more or fewer than the commitment has, or others than -1, 0 and 1.
        """
        if self.weights.shape != (len(self.commitment.points),) or not np.isin(self.weights, (-1, 0, 1)).all():
            raise MismatchError(f"expected {len(self.commitment.points)} signs, got others")
        return [int(value) for value in self.weights]


@dataclass(frozen=True)
class ScatteredCase(Case):
    """A proof in a dispute about a ``spread`` key, or about a recipient's copy; see ``Case``.

    Args:
        runs: the layout, which the claimant shows beside the proof; seeds do not matter and should be zeros.
    """

    runs: tuple[Run, ...] = ()

    scheme = "spread"

    def public(self) -> Public:
        """Return what the proof binds; see ``Case.public``."""
        return Scattered(**vars(super().public()))

    def _require_sizes(self, entry: Entry) -> None:
        if self.commitment.layer != layout(self.runs):
            raise MismatchError("expected the layout that the commitment names, got another")
        sizes = (self.commitment.rows, len(self.commitment.points))
        if (entry.statement.trials, sum(run.weights for run in self.runs)) != sizes:
            raise MismatchError("expected the commitment to the challenged key, got one to another")


def shown(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the layout of a key as it may be shown: without its seeds."""
    return tuple(replace(run, seed=bytes(32)) for run in runs)
