"""What an interrupted embedding leaves beside its output, so that the same command goes on from there."""

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark import files, hashing
from modelmark.errors import UsageError

if TYPE_CHECKING:
    from modelmark.training.loop import Progress


class Checkpoint:
    """A scratch file of one run, replaced after every epoch; refused unless it belongs to the very same run.

    Args:
        path: of the scratch file.
        run: digest of everything that decides the result.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run
        self.found = self._read()
        self._kept = self.found is not None

    @classmethod
    def beside(cls, output: Path, *run: object) -> "Checkpoint":
        """Return the checkpoint of the run that will write ``output``; ``run`` is what decides its result."""
        return cls(output.with_name(f"{output.name}.partial"), hashing.digest("run", repr(run).encode()).hex())

    def keep(self, number: int, now: "Progress") -> None:
        """Write the state if an epoch has just ended."""
        import torch

        if now.epoch_ended and now.step < now.steps:
            buffer = io.BytesIO()
            torch.save({"run": self._run, "round": number, "fit": now.snapshot()}, buffer)
            files.replace(self._path, buffer.getvalue())
            self._kept = True

    @property
    def way_on(self) -> str:
        """What the same command will do after an interruption."""
        return "goes on from the last whole epoch" if self._kept else "begins anew: no whole epoch was done"

    def remove(self) -> None:
        """Delete the scratch file: the run has ended."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        import torch

        if not self._path.exists():
            return None
        try:
            state = torch.load(self._path, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError):
            state = None
        if not isinstance(state, dict) or state.get("run") != self._run:
            raise UsageError(
                f"expected no {self._path}, or one that this very command left, got another",
                hint="keys, weights, data, seed, recipe and device must be the same; move or delete it to start afresh",
            )
        return state
