"""Which white-box marks are read from which format, naively and by ``verify``, with the host and without.

``python benchmarks/matrix.py``, with ``modelmark[deployment,formats]``, msgpack and transformers; a row a network, mark and
format is appended to ``results/matrix.jsonl``, and one that is there is not measured again. Nothing is trained: marks go in by
the least change that has a margin of 3 (thick) or 0.3 (thin) deviations of a natural projection, ``spread`` as the scheme puts
it in; seeds are fixed.

*naively*: the tensor of the layer's name, or else the one that is read here, as the format's own reader gives it, taken for the
layer's weight.
"""

import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _matrix_formats import FORMATS, stored, written
from _matrix_nets import NETWORKS, Marked, marked
from _rows import RESULTS
from modelmark.errors import ModelmarkError
from modelmark.marks.reading import read
from modelmark.suspects.files import held, open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State
from modelmark.suspects.torching import array

MARKS = ("thin", "thick", "spread")


def main() -> None:
    target = RESULTS / "matrix.jsonl"
    known = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []
    done = {(row["network"], row["mark"], row["format"]) for row in known}
    for network in NETWORKS:
        for mark in MARKS:
            case = None
            for name, (packages, _) in FORMATS.items():
                if (network, mark, name) in done:
                    continue
                case = case or marked(network, mark)
                row = {"network": network, "mark": mark, "format": name, "of": len(case.message)}
                try:
                    row["versions"] = {package: importlib.metadata.version(package) for package in packages}
                except importlib.metadata.PackageNotFoundError as error:
                    print(f"{name}: {error.name} is not installed", file=sys.stderr)
                    continue
                started = time.process_time()
                row |= measured(case, name)
                row["cpu_s"] = round(time.process_time() - started, 1)
                print(json.dumps(row), flush=True)
                with target.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")


def measured(case: Marked, name: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = written(name, case.network, case.inputs, Path(folder))
        except Exception as error:  # a tool of others may raise anything
            return {"not_written": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"}
        return {"naive": naive(case, path), "alone": ours(case, path, None), "beside_host": ours(case, path, case.host)}


def naive(case: Marked, path: Path) -> int | None:
    """Return the bits of a tensor that is taken for the layer's weight; None where its size is another, or there is none."""
    if not case.layer:
        return None
    place = Place.named(case.carriers.layer, case.carriers.matrix.shape[1])
    tensors = stored(path)
    weight = tensors.get(f"{case.layer}.weight")
    if weight is None:
        weight = next((value for name, value in tensors.items() if _is_meant(name, value, case)), None)
    if weight is None or weight.dtype.kind not in "fiu":
        return None
    _, axis = place.layout
    rows = np.moveaxis(weight, axis, 0) if weight.ndim > axis else weight
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    if rows.shape[1] != place.width:
        return None
    return int(((case.carriers.matrix @ rows.mean(axis=0) >= 0) == case.message).sum())


def _is_meant(name: str, value: np.ndarray, case: Marked) -> bool:
    """Return whether a tensor of another name is of the layer's size, and holds its weights, whatever was done to them."""
    from modelmark.networks import layers

    weight = layers.weight(case.network, case.layer).detach().numpy()
    if value.size != weight.size or value.ndim < 2 or value.dtype.kind not in "fiu":
        return False
    given = value.astype(np.float64).ravel() - (value.mean() if value.dtype.kind in "iu" else 0)
    turns = [weight, *(np.moveaxis(weight, 0, -1), weight.transpose(*range(2, weight.ndim), 1, 0))[: weight.ndim]]
    return any(abs(np.corrcoef(given, turn.ravel())[0, 1]) > 0.5 for turn in turns)


def ours(case: Marked, path: Path, host: object) -> dict[str, object]:
    """Return the bits of the best reading and the number of readings, or why there is none."""
    try:
        carriers, state = case.carriers, State(open_weights(path))
        if host is not None:
            known = {name: array(value) for name, value in host.state_dict().items()}  # type: ignore[attr-defined]
            carriers = carriers.against(State(held(known)))
        tables = read(carriers, state).scores
    except ModelmarkError as error:
        return {"refused": str(error)[:200]}
    return {"bits": max(int((table.symbols == case.message).sum()) for table in tables), "readings": len(tables)}


if __name__ == "__main__":
    main()
