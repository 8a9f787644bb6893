"""Commitments to the columns of a projection: perfectly hiding, binding while discrete logarithms are hard, no setup.

``D_k = sum_j X_jk G_j + r_k H`` for k = 1 .. M. Multiplied by public weights and added up they are a commitment to ``X w``,
which anybody can compute for any suspect: that is what a proof is about.

Source: Pedersen, CRYPTO 1991, for vectors; generators by hashing to the group (RFC 9496, section 4.3.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from modelmark import hashing
from modelmark.claim.dubious import group, quantise
from modelmark.claim.papers.shapes import Text
from modelmark.errors import CapacityError
from modelmark.key.secret import Secret

MOST_ROWS = 2**12
"""T: bits of a message; a proof of 4,096 has 12.9 MB and takes half a minute to check."""
MOST_COLUMNS = 2**18
"""Of a commitment, which then has 8 MiB: weights of ``spread``; averaged ones of a layer are ``quantise.MOST_WIDTH`` at most."""


@cache
def generator(index: int) -> bytes:
    """Return G_j for row ``index`` >= 0, or G, the generator of single margins, for -1. H is the group's own."""
    return group.hash_to_point("zk-generator", b"margin" if index < 0 else index.to_bytes(8, "big"))


@dataclass(frozen=True)
class Commitment:
    """What a claim names before the message is drawn, and everybody may see afterwards.

    Args:
        root: 32 bytes, the Merkle root of the key it belongs to.
        layer: state-dict path of the layer whose weights will be multiplied.
        rows: T.
        points: D_1 .. D_M.
    """

    root: bytes
    layer: str
    rows: int
    points: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.root) != 32:
            raise ValueError(f"expected a root of 32 bytes, got {len(self.root)}")
        Text(256, least=1).check(self.layer)
        if not 1 <= self.rows <= MOST_ROWS or not 1 <= len(self.points) <= MOST_COLUMNS:
            raise ValueError(
                f"expected 1 to {MOST_ROWS} rows and 1 to {MOST_COLUMNS} columns, got {self.rows} x {len(self.points)}"
            )
        if not all(map(group.is_point, self.points)):
            raise ValueError("expected points of ristretto255 other than the identity, got something else")


@dataclass(frozen=True)
class Witness:
    """What the owner keeps: it opens the commitment. Derived from the key's secret, never stored.

    Args:
        matrix: X rounded, int64 ``(T, M)``.
        blinding: r_1 .. r_M.
        seed: 32 bytes from which provers derive their randomness.
    """

    matrix: npt.NDArray[np.int64] = field(repr=False)
    blinding: tuple[int, ...] = field(repr=False)
    seed: bytes = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """T and M."""
        return self.matrix.shape

    def project(self, weights: Sequence[int]) -> list[int]:
        """Return X w."""
        return [int(value) for value in self.matrix @ np.array(weights, np.int64)]


def witness(secret: Secret, carriers: npt.NDArray[np.int32], root: bytes, layer: str) -> Witness:
    """Return the opening that belongs to a key and a layer.

    Args:
        secret: the key's.
        carriers: the key's projection, ``(T, M)``.
        root: the Merkle root of the key.
        layer: which is marked.

    Raises:
        MismatchError: the carriers are not an integer projection.
        CapacityError: it is too large to be committed to.
    """
    matrix = quantise.projection(carriers)
    rows, width = matrix.shape
    if not 1 <= rows <= MOST_ROWS or not 1 <= width <= quantise.MOST_WIDTH:
        raise CapacityError(f"expected at most {MOST_ROWS} bits in {quantise.MOST_WIDTH} weights, got {rows} x {width}")
    # Two matrices under one blinding would show their difference, so the matrix takes part.
    content = (root, layer.encode(), rows.to_bytes(8, "big"), matrix.astype(">i8").tobytes())
    use = hashing.digest("zk-witness", *content).hex()
    return Witness(
        matrix,
        tuple(group.scalars(secret.bytes(f"zk/blinding/{use}", 64 * width))),
        secret.bytes(f"zk/prover/{use}", 32),
    )


def commit(secret: Secret, carriers: npt.NDArray[np.int32], root: bytes, layer: str) -> Commitment:
    """Return the commitment to a key's projection; arguments and errors as for ``witness``."""
    kept = witness(secret, carriers, root, layer)
    points = [group.base(blinding) for blinding in kept.blinding]
    for row, entries in enumerate(kept.matrix.tolist()):
        multiples = [group.IDENTITY]  # entries are small: T * M additions instead of multiplications
        for _ in range(max(map(abs, entries))):
            multiples.append(group.add(multiples[-1], generator(row)))
        for column, entry in enumerate(entries):
            if entry > 0:
                points[column] = group.add(points[column], multiples[entry])
            elif entry < 0:
                points[column] = group.subtract(points[column], multiples[-entry])
    return Commitment(root, layer, len(kept.matrix), tuple(points))
