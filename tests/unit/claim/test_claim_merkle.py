"""Many leaves of one tree: the proof is exact, and no other leaves, places or nodes give the root."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmark.claim.papers import merkle
from modelmark.errors import MalformedError
from modelmark.key import commitment

LEAVES = [hashlib.sha256(bytes([i])).digest() for i in range(70)]


def audit_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1, as it is written."""
    if len(leaves) == 1:
        return []
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if index < split:
        return [*audit_path(index, leaves[:split]), commitment.root(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), commitment.root(leaves[:split])]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13, 70])
def test_one_leafs_proof_is_the_audit_path_of_the_rfc(count) -> None:
    for index in range(count):
        assert merkle.prove(LEAVES[:count], [index]) == audit_path(index, LEAVES[:count])


@given(st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_any_leaves_give_the_root_with_no_node_more_than_needed(drawn) -> None:
    count, indices = drawn
    leaves, root = LEAVES[:count], commitment.root(LEAVES[:count])
    proof = merkle.prove(leaves, sorted(indices))
    opened = {i: leaves[i] for i in indices}
    assert merkle.root_of(count, opened, proof) == root
    assert len(proof) <= sum(len(audit_path(i, leaves)) for i in indices)
    for position in range(len(proof)):
        with pytest.raises(MalformedError, match="got fewer"):
            merkle.root_of(count, opened, proof[:position] + proof[position + 1 :])
        changed = [*proof[:position], bytes(32), *proof[position + 1 :]]
        assert merkle.root_of(count, opened, changed) != root
    with pytest.raises(MalformedError, match="got more"):
        merkle.root_of(count, opened, [*proof, bytes(32)])
    for index in indices:
        assert merkle.root_of(count, opened | {index: bytes(32)}, proof) != root


def test_a_whole_tree_needs_no_proof() -> None:
    assert merkle.prove(LEAVES, range(70)) == []
    assert merkle.root_of(70, dict(enumerate(LEAVES)), []) == commitment.root(LEAVES)


@pytest.mark.parametrize("indices", [[], [-1], [3], [0, 3]])
def test_leaves_that_are_not_there(indices) -> None:
    with pytest.raises(ValueError, match="expected leaves 0 to 2"):
        merkle.prove(LEAVES[:3], indices)
    with pytest.raises(MalformedError, match="expected leaves 0 to 2"):
        merkle.root_of(3, {i: bytes(32) for i in indices}, [])


def test_a_lying_count_costs_nothing() -> None:
    with pytest.raises(MalformedError):
        merkle.root_of(2**20, {0: LEAVES[0]}, [bytes(32)] * 19)
