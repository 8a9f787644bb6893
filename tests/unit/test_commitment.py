"""The root is RFC 6962's tree hash; every carrier, its place and its salt are under it, and nothing else opens it."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmark.errors import MalformedError
from modelmark.key import commitment
from modelmark.key.secret import Secret

SECRET, OTHER = Secret(bytes(range(32))), Secret(bytes(32))
CARRIERS = [b"first", b"second", b"third"]

# Inputs and tree heads 1 to 8 of the Certificate Transparency reference implementation.
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def rfc6962(hashed: Sequence[bytes]) -> bytes:
    """Section 2.1 as it is written: split at the largest power of two below the count."""
    if len(hashed) == 1:
        return hashed[0]
    split = 1
    while 2 * split < len(hashed):
        split *= 2
    return hashlib.sha256(b"\x01" + rfc6962(hashed[:split]) + rfc6962(hashed[split:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_root_is_that_of_certificate_transparency(size: int) -> None:
    hashed = [hashlib.sha256(b"\x00" + bytes.fromhex(entry)).digest() for entry in CT_INPUTS[:size]]
    assert commitment.root(hashed).hex() == CT_ROOTS[size - 1]


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_root_is_the_recursion_of_the_rfc(hashed: list[bytes]) -> None:
    assert commitment.root(hashed) == rfc6962(hashed)


def test_no_leaves_have_no_root() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        commitment.root([])


def test_commit_is_the_root_of_the_salted_leaves() -> None:
    salts = commitment.salts(SECRET, 3)
    assert len(set(salts)) == 3
    leaves = [commitment.leaf(i, salts[i], CARRIERS[i]) for i in range(3)]
    assert commitment.commit(SECRET, CARRIERS) == rfc6962(leaves)


@pytest.mark.parametrize(
    ("secret", "carriers", "label"),
    [
        (OTHER, CARRIERS, "salt"),
        (SECRET, CARRIERS, "another"),
        (SECRET, CARRIERS[:2], "salt"),
        (SECRET, [*CARRIERS, b"fourth"], "salt"),
        (SECRET, CARRIERS[::-1], "salt"),
        (SECRET, [b"first", b"secone", b"third"], "salt"),
    ],
)
def test_any_change_changes_the_root(secret: Secret, carriers: list[bytes], label: str) -> None:
    assert commitment.commit(secret, carriers, label) != commitment.commit(SECRET, CARRIERS)


def test_an_opening_is_accepted_for_its_own_leaf_alone() -> None:
    salts = commitment.salts(SECRET, 2)
    published = commitment.leaf(0, salts[0], CARRIERS[0])
    assert commitment.check_opening(published, 0, salts[0], CARRIERS[0]) == CARRIERS[0]
    for index, salt, carrier in [
        (1, salts[0], CARRIERS[0]),
        (0, salts[1], CARRIERS[0]),
        (0, salts[0], CARRIERS[1]),
        (1, salts[1], CARRIERS[1]),
        (0, salts[0] + CARRIERS[0][:1], CARRIERS[0][1:]),
    ]:
        with pytest.raises(MalformedError, match=f"opening of leaf {index}"):
            commitment.check_opening(published, index, salt, carrier)


def test_a_concealed_value_depends_on_secret_label_and_content() -> None:
    cases = [(s, label, content) for s in (SECRET, OTHER) for label in ("layer", "host") for content in (b"a", b"b")]
    assert len({commitment.conceal(*case) for case in cases}) == 8
