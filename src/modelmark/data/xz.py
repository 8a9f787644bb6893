"""Unpacking xz under a memory cap, which ``lzma.open`` does not offer."""

import io
import lzma
from typing import Any

_CHUNK = 1 << 16


class XzReader(io.RawIOBase):
    """The unpacked bytes of an xz file, of one stream or several, with zero padding between them.

    Args:
        raw: the packed file; stays open when this is closed.
        memory: bytes the decoder may reserve; a file that asks for more raises ``lzma.LZMAError``.
    """

    def __init__(self, raw: io.BufferedReader, memory: int) -> None:
        super().__init__()
        self._raw = raw
        self._memory = memory
        self._packed = b""
        self._decoder = self._fresh()

    def readable(self) -> bool:
        """Say that this can be read from."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with at least one byte; 0 at the end.

        Raises:
            lzma.LZMAError: damaged, or too much memory asked for.
            EOFError: the file is cut short.
        """
        view = memoryview(buffer).cast("B")
        while True:
            if self._decoder.eof and not self._next_stream():
                return 0
            data = self._decoder.decompress(self._more(), len(view))
            if data:
                view[: len(data)] = data
                return len(data)

    def _more(self) -> bytes:
        """Return the next packed bytes, or none where the decoder still has some."""
        if not self._decoder.needs_input:
            return b""
        packed, self._packed = self._packed or self._raw.read(_CHUNK), b""
        if not packed:
            raise EOFError("the xz stream is cut short")
        return packed

    def _next_stream(self) -> bool:
        """Skip padding after a stream; begin the next one, if there is one."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            packed = self._raw.read(_CHUNK)
            if not packed:
                return False
            rest = packed.lstrip(b"\0")
        self._packed = rest
        self._decoder = self._fresh()
        return True

    def _fresh(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._memory)
