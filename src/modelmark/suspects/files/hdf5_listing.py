"""A process of its own: says in JSON where the arrays of an HDF5 file lie. It imports nothing of modelmark.

Damaged files make the HDF5 library wait without end (1.14.6: one in 200 of small Keras archives with some bytes changed), so
whoever reads files of strangers lets another process look, and stops it after a while.

``python -P hdf5_listing.py FILE START SIZE MOST``: the file begins at byte START of FILE; at most MOST entries are looked at.
"""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

_DEPTH = 64
_MEMORY = 4 * 2**30
_TEXT = 2**26  # characters of a configuration


class Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = open(path, "rb"), start, size, 0  # noqa: SIM115

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Go to a place."""
        self._at = place + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, as far as the part goes."""
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def listed(file: Any, most: int) -> dict[str, Any]:
    """Return arrays by path, names of layers by group, and the configuration of the model."""
    import h5py

    arrays, layers = dict[str, Any](), dict[str, str]()
    with h5py.File(file, "r") as top:
        config = _text(top.attrs.get("model_config", ""))
        for name, dataset in _arrays(h5py, top, layers, most):
            why = _refused(dataset)
            arrays[name] = why or [dataset.dtype.str, list(dataset.shape), dataset.id.get_offset()]
    return {"arrays": arrays, "layers": layers, "config": config}


def _arrays(h5py: Any, top: Any, layers: dict[str, str], most: int) -> Iterator[tuple[str, Any]]:
    """Yield the arrays with their paths, each group once, by links that stay in the file."""
    seen, left, count = set[Any](), [("", top, 0)], 0
    while left:
        path, group, depth = left.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen or depth > _DEPTH:
            continue
        seen.add(address)
        if path.endswith("/vars") and (called := _text(group.attrs.get("name", ""))):
            layers[path] = called
        for name in group:
            count += 1
            if count > most:
                raise ValueError("more arrays than any network has")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            entry, whole = group[name], f"{path}/{name}" if path else name
            if isinstance(entry, h5py.Dataset):
                yield whole, entry
            elif isinstance(entry, h5py.Group):
                left.append((whole, entry, depth + 1))


def _refused(dataset: Any) -> str:
    """Return why an array is not read, or no word."""
    if dataset.external or dataset.is_virtual:
        return "kept in another file"
    if dataset.shape is None or dataset.dtype.kind not in "fiub" or dataset.dtype.byteorder == ">":
        return f"of type {dataset.dtype}"
    if dataset.chunks or dataset.nbytes != dataset.id.get_storage_size():
        return "stored in pieces, or never written; Keras writes arrays whole"
    return ""


def _text(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return text if len(text) <= _TEXT else ""


def main() -> None:
    """Look, and write what is there."""
    path, start, size, most = sys.argv[1:]
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        found = listed(Window(path, int(start), int(size)), int(most))
    except Exception as error:  # whatever the library makes of a damaged file
        found = {"error": " ".join(str(error).split())[:200] or type(error).__name__}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
