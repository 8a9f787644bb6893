"""Fuzz the readers of disputes and the judge, guided by coverage: ``python benchmarks/fuzz_claims.py -max_total_time=300``.

Needs the extra ``fuzz`` (atheris). Arguments go to libFuzzer, a first one without a dash is the folder of inputs. What is tried
and what counts as a crash is in ``fuzz_targets``; ``tests/abuse/test_fuzz_targets.py`` shows that every target is reached.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent))
with atheris.instrument_imports(include=["modelmark"]):
    import fuzz_targets


def write_seeds(folder: Path) -> None:
    """Write an accepted input of every target as the first inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, data) in enumerate(sorted(fuzz_targets.seeds().items())):
        (folder / f"seed-{number}").write_bytes(bytes([fuzz_targets.NAMES.index(name)]) + data)


if __name__ == "__main__":
    corpus = Path(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1][0] != "-" else Path("/tmp/fuzz-claims")
    write_seeds(corpus)
    atheris.Setup([*sys.argv, str(corpus)], fuzz_targets.one_input)
    atheris.Fuzz()
