"""Weight files in public packages, which nobody here made, opened without a key: ``python benchmarks/strangers.py``.

Each package is downloaded from the index into a temporary folder, in the version named, and taken apart as the archive that it
is: nothing of it is installed or run. ``modelmark inspect FILE`` must show layers, shapes and types; see docs/formats.md.
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

# a package, its version, and which of its files are weights
PACKAGES = (
    ("silero-vad", "6.2.3", r"\.(onnx|jit|safetensors)$"),
    ("magika", "1.0.3", r"\.onnx$"),
    ("rapidocr-onnxruntime", "1.4.4", r"\.onnx$"),
    ("wordllama", "0.4.0.post1", r"\.safetensors$"),
)


def download(package: str, version: str, folder: Path) -> Path | None:
    """Return the archive of a package, None where the index cannot be reached."""
    words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    run = subprocess.run([*words, f"{package}=={version}"], capture_output=True, text=True, check=False)
    return next(folder.glob(f"{package.replace('-', '_')}-*.whl"), None) if run.returncode == 0 else None


def inspected(path: Path) -> dict[str, object]:
    """Return what ``modelmark inspect --json`` says of a file; a refusal is an entry ``refused``."""
    words = [sys.executable, "-m", "modelmark", "inspect", str(path), "--json"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    return json.loads(run.stdout) if run.returncode == 0 else {"refused": run.stderr.strip()}


def weights(archive: Path, pattern: str, folder: Path) -> list[Path]:
    """Return the weight files of an archive, taken out into a folder."""
    with zipfile.ZipFile(archive) as packed:
        return [Path(packed.extract(name, folder)) for name in sorted(packed.namelist()) if re.search(pattern, name)]


def line(package: str, version: str, file: Path) -> str:
    said = inspected(file)
    cells = [f"{package} {version}", f"`{file.name}`", f"{file.stat().st_size:,}"]
    if "refused" in said:
        return f"| {' | '.join(cells)} | refused: {said['refused']} | | |"
    tensors: dict[str, dict[str, object]] = said["tensors"]  # type: ignore[assignment]
    kinds = Counter(str(tensor["kind"]) for tensor in tensors.values())
    name = max(tensors, key=lambda name: _count(tensors[name]["shape"]))  # type: ignore[arg-type]
    sizes = "x".join(map(str, tensors[name]["shape"]))  # type: ignore[call-overload]
    types = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    return f"| {' | '.join(cells)} | {said['container']} | {len(tensors)}: {types} | `{name}` {sizes} |"


def _count(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def main() -> None:
    print("| package | file | bytes | container | tensors | the largest |")
    print("|---|---|---|---|---|---|")
    for package, version, pattern in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            archive = download(package, version, Path(folder))
            if archive is None:
                print(f"| {package} {version} | not reached | | | | |")
                continue
            for file in weights(archive, pattern, Path(folder)):
                print(line(package, version, file), flush=True)


if __name__ == "__main__":
    main()
