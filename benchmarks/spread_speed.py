"""``spread`` on a weight file of a gigabyte: processor time and memory of marking and reading it, beside ``sha256sum``.

Run: ``python benchmarks/spread_speed.py [--matrices 32] [--rounds 3] [-o FILE]``. It writes 32 matrices of 4,096 x 4,096 in bf16
(1.07 GB, 2^29 weights, of which 2^26 are marked) to a temporary folder, then runs each command in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SIDE = 4096
MODELMARK = (sys.executable, "-m", "modelmark")


def write(path: Path, matrices: int) -> None:
    """Write a safetensors file of normal weights; matrices are one another rolled, which no command can tell."""
    size = 2 * SIDE * SIDE
    names = [f"model.layers.{number}.mlp.weight" for number in range(matrices)]
    header = {
        name: {"dtype": "BF16", "shape": [SIDE, SIDE], "data_offsets": [number * size, (number + 1) * size]}
        for number, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    first = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32) * 0.02
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for number in range(matrices):
            stream.write((np.roll(first, 1237 * number).view(np.uint32) >> 16).astype(np.uint16).tobytes())


def measured(command: list[str]) -> tuple[float, float]:
    """Return the processor seconds and the peak memory in MB of a command that must succeed."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"expected {command[:4]} to succeed, got exit status {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def commands(folder: Path) -> dict[str, list[str]]:
    """Return what is run, in order; ``start`` is what the interpreter and its imports cost alone."""
    model, key, marked = (str(folder / name) for name in ("model.safetensors", "spread.key", "marked.safetensors"))
    return {
        "sha256sum": ["sha256sum", model],
        "cp": ["cp", model, str(folder / "copy.safetensors")],
        "start": [*MODELMARK, "verify", "--help"],
        "embed": [*MODELMARK, "embed", key, "--weights", model, "-o", marked],
        "verify, without the host": [*MODELMARK, "verify", key, "--weights", marked],
        "verify, against the host": [*MODELMARK, "verify", key, "--weights", marked, "--align-to", model],
    }


def main() -> None:
    """Print and add a row with the median of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matrices", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/spread-speed.jsonl"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "model.safetensors", arguments.matrices)
        key = ["--unencrypted", "-o", str(folder / "spread.key")]
        measured([*MODELMARK, "keygen", "spread", "--weights", str(folder / "model.safetensors"), *key])
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(arguments.rounds):
            for name, command in commands(folder).items():
                if name in ("cp", "embed"):
                    Path(command[-1]).unlink(missing_ok=True)
                found.setdefault(name, []).append(measured(command))
    row = {
        "bytes": 2 * SIDE * SIDE * arguments.matrices,
        "rounds": arguments.rounds,
        "cpu_s": {name: round(statistics.median(each[0] for each in runs), 2) for name, runs in found.items()},
        "peak_mb": {name: round(max(each[1] for each in runs)) for name, runs in found.items()},
    }
    print(json.dumps(row, indent=1))
    with arguments.output.open("a") as stream:
        stream.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
