"""Openings of many leaves at once: the nodes of the tree that the opened leaves do not give.

The tree is ``commitment.root``'s, RFC 6962's; for a single leaf the proof is that RFC's audit path (section 2.1.1).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from modelmark.errors import MalformedError


def prove(leaves: Sequence[bytes], indices: Sequence[int]) -> list[bytes]:
    """Return the nodes that ``root_of`` needs beside the leaves at ``indices``.

    They stand level by level from the leaves up, and from left to right within a level.

    Raises:
        ValueError: no index, or one that is no leaf.
    """
    known = _checked(indices, len(leaves))
    proof, level = [], list(leaves)
    while len(level) > 1:
        proof += [level[node] for node in _missing(known, len(level))]
        level = [_node(level[i], level[i + 1]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        known = sorted({index // 2 for index in known})
    return proof


def root_of(count: int, leaves: Mapping[int, bytes], proof: Sequence[bytes]) -> bytes:
    """Return the root of the tree of ``count`` leaves that has these leaves and these nodes.

    Args:
        count: leaves of the whole tree.
        leaves: the opened ones by index, hashed.
        proof: as ``prove`` returned it.

    Raises:
        MalformedError: too few or too many nodes, or an index that is no leaf.
    """
    try:
        known = _checked(sorted(leaves), count)
    except ValueError as error:
        raise MalformedError(str(error)) from None
    level, given, size = dict(leaves), iter(proof), count
    while size > 1:
        for node in _missing(known, size):
            level[node] = _next(given)
        above = {}
        for index in {index // 2 for index in known}:
            left = level[2 * index]
            above[index] = _node(left, level[2 * index + 1]) if 2 * index + 1 < size else left
        known, level, size = sorted(above), above, (size + 1) // 2
    if next(given, None) is not None:
        raise MalformedError("expected the nodes of the proof and no more, got more")
    return level[0]


def _checked(indices: Sequence[int], count: int) -> list[int]:
    if not indices or min(indices) < 0 or max(indices) >= count:
        raise ValueError(f"expected leaves 0 to {count - 1}, got {list(indices)[:4]}")
    return sorted(set(indices))


def _missing(known: Sequence[int], size: int) -> Iterator[int]:
    """Yield the siblings that are needed: not known, and there (the last node of an odd level has none)."""
    there = set(known)
    return (index ^ 1 for index in known if index ^ 1 not in there and index ^ 1 < size)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _next(nodes: Iterator[bytes]) -> bytes:
    node = next(nodes, None)
    if node is None:
        raise MalformedError("expected all nodes of the proof, got fewer")
    return node
