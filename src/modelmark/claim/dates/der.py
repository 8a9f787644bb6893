"""Just enough DER to find in a timestamp token what its authority signed, and to spell the rest in one way.

Definite lengths, minimal; tags of one byte. That is all that RFC 3161 tokens use; anything else is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31


def context(number: int) -> int:
    """Return the tag of constructed context-specific field ``[number]``."""
    return 0xA0 + number


@dataclass(frozen=True)
class Node:
    """One element: its tag, and its content without tag and length."""

    tag: int
    content: bytes

    @cached_property
    def children(self) -> tuple["Node", ...]:
        """The elements inside, in their order.

        Raises:
            ValueError: this is no constructed element, or its content is not DER.
        """
        if not self.tag & 0x20:
            raise ValueError(f"expected a constructed element, got tag {self.tag:#04x}")
        out, end = [], 0
        while end < len(self.content):
            node, end = _read(self.content, end)
            out.append(node)
        return tuple(out)

    @cached_property
    def encoded(self) -> bytes:
        """Tag, length and content."""
        size = len(self.content)
        length = b"" if size < 128 else size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([self.tag, 0x80 + len(length) if length else size]) + length + self.content


def parse(data: bytes) -> Node:
    """Return the one element that ``data`` holds.

    Raises:
        ValueError: not DER, cut short, or followed by more.
    """
    node, end = _read(data, 0)
    if end < len(data):
        raise ValueError(f"expected nothing after the element, got {len(data) - end} bytes")
    return node


def make(tag: int, children: Sequence[Node]) -> Node:
    """Return a constructed element."""
    return Node(tag, b"".join(child.encoded for child in children))


def expect(node: Node, tag: int) -> Node:
    """Return ``node`` if it has this tag.

    Raises:
        ValueError: it has another.
    """
    if node.tag != tag:
        raise ValueError(f"expected tag {tag:#04x}, got {node.tag:#04x}")
    return node


def integer(node: Node) -> int:
    """Return the integer.

    Raises:
        ValueError: not an integer, or not in its shortest spelling.
    """
    content = expect(node, INTEGER).content
    if not content or (len(content) > 1 and content[0] in (0, 0xFF) and (content[0] ^ content[1]) < 0x80):
        raise ValueError("expected an integer in its shortest spelling, got a longer one")
    return int.from_bytes(content, "big", signed=True)


def _read(data: bytes, start: int) -> tuple[Node, int]:
    """Return the element at ``start``, and where it ends."""
    if len(data) < start + 2 or data[start] & 0x1F == 0x1F:
        raise ValueError("expected an element with a tag of one byte, got something else")
    size, first = data[start + 1], start + 2
    if size >= 0x80:
        length = data[first : first + size - 0x80]
        first += size - 0x80
        size = int.from_bytes(length, "big")
        if not start + 2 < first <= start + 6 or len(data) < first or size < 128 or length[0] == 0:
            raise ValueError("expected a definite length in its shortest spelling, got another")
    if len(data) < first + size:
        raise ValueError(f"expected {size} bytes of content, got {len(data) - first}")
    return Node(data[start], data[first : first + size]), first + size
