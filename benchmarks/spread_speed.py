"""Weight files of a gigabyte: processor time and memory of marking and reading, beside ``sha256sum`` and a ten-line reader.

Run: ``python benchmarks/spread_speed.py [--matrices 32] [--rounds 3] [--before SRC] [-o FILE]``. It writes 32 matrices of
4,096 x 4,096 in bf16 (1.07 GB, 2^29 weights, of which ``spread`` marks 2^26) to a temporary folder, then runs each command in a
process of its own, one round after another, so that ratios are of one machine in one state. ``--before`` is the ``src`` of
another version, whose reading of ``uchida`` is run beside.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SIDE = 4096
LAYER = "model.layers.0.mlp"
MODELMARK = (sys.executable, "-m", "modelmark")
WRITE = f"""
import json, sys
from pathlib import Path
import numpy as np
path, matrices, side = Path(sys.argv[1]), int(sys.argv[2]), {SIDE}
size = 2 * side * side
names = [f"model.layers.{{number}}.mlp.weight" for number in range(matrices)]
header = {{
    name: {{"dtype": "BF16", "shape": [side, side], "data_offsets": [number * size, (number + 1) * size]}}
    for number, name in enumerate(names)
}}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
first = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32) * 0.02
with path.open("wb") as stream:
    stream.write(len(text).to_bytes(8, "little") + text)
    for number in range(matrices):  # one another rolled, which no command can tell
        stream.write((np.roll(first, 1237 * number).view(np.uint32) >> 16).astype(np.uint16).tobytes())
"""
KEY = f"""
import sys
from pathlib import Path
import numpy as np
from torch import nn
from modelmark.carriers.rows import real
from modelmark.feeds.floats import FloatFeed
from modelmark.marks import keyfile
from modelmark.marks.keys import keygen
from modelmark.schemes.uchida import Uchida
network = nn.Module()
network.model, network.head = nn.Module(), nn.Linear(2, 2)
network.model.layers = nn.ModuleList([nn.Module()])
network.model.layers[0].mlp = nn.Linear({SIDE}, 2)
key = keygen(Uchida(layer={LAYER!r}, projection="random"), network, FloatFeed(({SIDE},), ("0", "1")))
keyfile.save(key, Path(sys.argv[1]), None)
np.save(sys.argv[2], real(key.carriers.matrix))
"""
READER = f"""
import json, sys
import numpy as np
with open(sys.argv[1], "rb") as stream:
    length = int.from_bytes(stream.read(8), "little")
    entry = json.loads(stream.read(length))[{LAYER + ".weight"!r}]
    begin, end = entry["data_offsets"]
    stream.seek(8 + length + begin)
    raw = np.frombuffer(stream.read(end - begin), np.uint16).reshape(entry["shape"])
mean = (raw.astype(np.uint32) << 16).view(np.float32).mean(axis=0, dtype=np.float64)
print((np.load(sys.argv[2]) @ mean >= 0).sum())
"""
# what is divided by what, and the most that is aimed at
AIMS = {
    "embed": ("sha256sum", 1.0), "issue": ("sha256sum", 1.0), "verify, without the host": ("sha256sum", 0.5),
    "verify, against the host": ("sha256sum", 0.5), "verify uchida": ("reader of ten lines", 1.5),
    "verify uchida ": ("verify uchida, before", 0.25),
}  # fmt: skip


def measured(command: list[str], source: str = "") -> tuple[float, float]:
    """Return the processor seconds and the peak memory in MB of a command that must come to an end.

    This process imports no library, as what it holds would count as the command's.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if source:
        environment["PYTHONPATH"] = source
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):  # 1: read, and not established
        raise SystemExit(f"expected {command[:4]} to succeed, got exit status {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def commands(folder: Path) -> dict[str, list[str]]:
    """Return what is run, in order; ``start`` is what the interpreter and its imports cost alone."""
    names = ("model.safetensors", "spread.key", "marked.safetensors", "uchida.key", "projection.npy")
    model, key, marked, uchida, projection = (str(folder / name) for name in names)
    return {
        "sha256sum": ["sha256sum", model],
        "cp": ["cp", model, str(folder / "copy.safetensors")],
        "interpreter": [sys.executable, "-c", "pass"],
        "interpreter with numpy": [sys.executable, "-c", "import numpy"],
        "start": [*MODELMARK, "verify", "--help"],
        "embed": [*MODELMARK, "embed", key, "--weights", model, "-o", marked],
        "issue": [*MODELMARK, "issue", key, "--to", "Ada", "--weights", model, "-o", str(folder / "copy.safetensors")],
        "verify, without the host": [*MODELMARK, "verify", key, "--weights", marked],
        "verify, against the host": [*MODELMARK, "verify", key, "--weights", marked, "--align-to", model],
        "reader of ten lines": [sys.executable, "-c", READER, model, projection],
        "verify uchida": [*MODELMARK, "verify", uchida, "--weights", model],
    }


def row(folder: Path, matrices: int, rounds: int, before: str) -> dict[str, object]:
    """Return the row of some rounds."""
    model = folder / "model.safetensors"
    measured([sys.executable, "-c", WRITE, str(model), str(matrices)])
    measured([sys.executable, "-c", KEY, str(folder / "uchida.key"), str(folder / "projection.npy")])
    measured(
        [*MODELMARK, "keygen", "spread", "--weights", str(model), "--unencrypted", "-o", str(folder / "spread.key")]
    )
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, command in commands(folder).items():
            if "-o" in command or name == "cp":
                Path(command[-1]).unlink(missing_ok=True)
                (folder / "spread.copies").unlink(missing_ok=True)
            found.setdefault(name, []).append(measured(command))
            if before and name == "verify uchida":
                found.setdefault(f"{name}, before", []).append(measured(command, before))
    seconds = {name: statistics.median(each[0] for each in runs) for name, runs in found.items()}
    return {
        "bytes": 2 * SIDE * SIDE * matrices,
        "rounds": rounds,
        "cpu_s": {name: round(each, 2) for name, each in seconds.items()},
        "peak_mb": {name: round(max(each[1] for each in runs)) for name, runs in found.items()},
        "ratios": {
            f"{name.strip()} / {other}": [round(seconds[name.strip()] / seconds[other], 2), most]
            for name, (other, most) in AIMS.items()
            if other in seconds
        },
    }


def main() -> None:
    """Print and add a row with the median of each command, and the ratios with the most that is aimed at."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matrices", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", default="", help="the src folder of another version")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/spread-speed.jsonl"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = row(Path(temporary), arguments.matrices, arguments.rounds, arguments.before)
    print(json.dumps(found, indent=1))
    with arguments.output.open("a") as stream:
        stream.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
