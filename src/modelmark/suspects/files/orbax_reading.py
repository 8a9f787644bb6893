"""A process of its own: says in JSON which arrays an Orbax folder holds, or writes one out. It imports nothing of modelmark.

The library ``tensorstore`` unpacks what it is given, so whoever reads folders of strangers lets another process do it, with a
limit of memory. ``python -P orbax_reading.py FOLDER`` lists; ``... FOLDER KEY KIND BYTES`` writes the numbers of one array, so
many bytes, to its output. A block that is not there is no block of zeros.
"""

import json
import sys
from typing import Any

_MEMORY = 6 * 2**30
_TEXT = 2**20  # bytes that describe an array
_MOST = 2**20  # keys
_ENDINGS = ((".zarray", "zarr"), ("zarr.json", "zarr3"))


def store(folder: str) -> dict[str, Any]:
    """Return where the keys of a folder are kept."""
    import os

    files = {"driver": "file", "path": folder + "/"}
    return {"driver": "ocdbt", "base": files} if os.path.exists(folder + "/manifest.ocdbt") else files


def listed(folder: str) -> dict[str, Any]:
    """Return what describes each array, by the folder that it is in and the kind of that description."""
    import tensorstore

    keys = tensorstore.KvStore.open(store(folder)).result()
    found = {}
    names = keys.list().result()
    if len(names) > _MOST:
        raise ValueError(f"{len(names)} keys")
    for name in names:
        for ending, kind in _ENDINGS:
            if name.endswith(f"/{ending}".encode()):
                said = keys.read(name).result().value
                if len(said) > _TEXT:
                    raise ValueError("a description that is too long")
                found[name.decode().removesuffix(f"/{ending}")] = [kind, json.loads(said)]
    return found


def read(folder: str, key: str, kind: str) -> Any:
    """Return an array."""
    import tensorstore

    place = {**store(folder)}
    if place["driver"] == "ocdbt":
        place["path"] = f"{key}/"
    else:
        place["path"] += f"{key}/"
    spec = {"driver": kind, "kvstore": place, "fill_missing_data_reads": False}
    return tensorstore.open(spec, read=True, open=True).result().read().result()


def main() -> None:
    """Do what the arguments say, with a limit of memory."""
    folder, *more = sys.argv[1:]
    extra = int(more[2]) if more else 0
    try:  # where the system has such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY + 3 * extra, _MEMORY + 3 * extra))
    except (ImportError, ValueError, OSError):
        pass
    try:
        if more:
            found = read(folder, more[0], more[1])
            sys.stdout.buffer.write(found.tobytes())
            return
        said: dict[str, Any] = {"arrays": listed(folder)}
    except Exception as error:  # whatever the library makes of a damaged one
        said = {"error": " ".join(str(error).split())[:200] or type(error).__name__}
        if more:
            sys.exit(said["error"])
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
