"""No two uses hash the same bytes: a frame can be taken apart again."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from modelmark import hashing


def take_apart(framed: bytes) -> list[bytes]:
    pieces = []
    while framed:
        size = int.from_bytes(framed[:8], "big")
        pieces.append(framed[8 : 8 + size])
        framed = framed[8 + size :]
    return pieces


@given(st.text(), st.lists(st.binary()))
def test_a_frame_names_its_tag_and_every_part(tag: str, parts: list[bytes]) -> None:
    assert take_apart(hashing.frame(tag, *parts)) == [b"modelmark/v1/" + tag.encode(), *parts]


def test_digest_and_expansion_are_the_standard_functions_over_the_frame() -> None:
    framed = hashing.frame("tag", b"part")
    assert hashing.digest("tag", b"part") == hashlib.sha256(framed).digest()
    assert hashing.expand(99, "tag", b"part") == hashlib.shake_256(framed).digest(99)
    each = hashing.expand(8, "tag", b"part", b"x"), hashing.expand(8, "tag", b"part", b"yy")
    assert tuple(hashing.expanded_each(8, [b"x", b"yy"], "tag", b"part")) == each
