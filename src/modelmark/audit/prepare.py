"""What the cells of an audit share: one unmarked network per seed, one marked network per scheme and seed."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import nn

from modelmark import data, files, hashing, options, weights
from modelmark.audit.grid import Entry, Grid
from modelmark.embedding import embed
from modelmark.errors import ModelmarkError, OutputExistsError
from modelmark.keys import keygen
from modelmark.marks import Mark
from modelmark.models import build
from modelmark.recipe import Recipe
from modelmark.schemes import scheme_class
from modelmark.secret import Secret
from modelmark.task import Task, accuracy
from modelmark.training import fit, suggested


@dataclass
class Bench:
    """Networks of one grid and seed, trained when first asked for and kept in a folder.

    Args:
        grid: what is audited.
        seed: of everything but keys.
        folder: where networks are kept, so that an audit goes on where it stopped.
    """

    grid: Grid
    seed: int
    folder: Path

    def __post_init__(self) -> None:
        whole = Task.from_dataset(data.load(self.grid.data))
        held = whole.split({"owner": 1 - self.grid.thief, "thief": self.grid.thief}, seed=self.seed)
        self.whole = len(whole.train_inputs)
        self.owner = _at_most(held["owner"], self.grid.owner, self.seed)
        self.thief = _at_most(held["thief"], self.grid.most, self.seed)

    @cached_property
    def host(self) -> nn.Module:
        """The unmarked network, trained on the owner's data."""
        fresh = self.fresh()
        return self._kept("host", lambda: fit(fresh, self.owner, self.recipe(trained=False), seed=self.seed))

    @property
    def training_cpu_s(self) -> float:
        """CPU seconds that training the unmarked network took."""
        return float(self._noted("host")["cpu_s"])

    def mark(self, entry: Entry, *, copy: int = 0) -> Mark:
        """Return the mark of the owner's key for a scheme; anybody can repeat it, so it is good for audits alone.

        Args:
            entry: the scheme.
            copy: number of the buyer, for collusions.
        """
        label = f"{entry.name}/{json.dumps(dict(entry.strengths[0]), sort_keys=True)}/{self.seed}/{copy}"
        return keygen(
            options.make(scheme_class(entry.name, trusted=True), entry.strengths[0]),
            self.host,
            self.owner.interface,
            task=self.owner,
            secret=Secret(hashing.digest("audit", label.encode())),
            host=weights.digest(self.host.state_dict()),
        ).mark()

    def marked(self, entry: Entry, *, copy: int = 0) -> nn.Module:
        """Return the unmarked network after embedding, on the owner's data.

        Raises:
            ModelmarkError: the mark does not go in; the reason is kept, so that it is tried once. What else goes wrong,
                such as a full disk, is not.
        """
        name = f"{entry.name}-{hashing.digest('entry', repr(entry).encode()).hex()[:8]}-{copy}"
        refused = self._path(name, ".refused")
        if refused.exists():
            raise ModelmarkError(refused.read_text())
        host = self.host

        def make() -> nn.Module:
            try:
                mark = self.mark(entry, copy=copy)
                return embed(host, [mark], self.owner, self.recipe(trained=True), seed=self.seed + 1).model
            except ModelmarkError as error:
                files.replace(refused, str(error).encode())
                raise

        return self._kept(name, make)

    def host_accuracy(self) -> float:
        """Return the accuracy of the unmarked network."""
        return accuracy(self.host, self.owner)

    def fresh(self) -> nn.Module:
        """Return the untrained network."""
        interface = self.owner.interface
        return build(self.grid.arch, interface.input_shape, interface.classes, seed=self.seed)

    def recipe(self, *, trained: bool) -> Recipe:
        """Return what ``embed`` on the command line would train with."""
        return suggested(self.fresh(), self.owner, trained=trained, epochs=0 if trained else self.grid.epochs)

    def _kept(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        path = self._path(name, ".safetensors")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            started = time.process_time()
            made = make()
            files.replace(self._path(name, ".json"), json.dumps({"cpu_s": time.process_time() - started}).encode())
            with suppress(OutputExistsError):  # another process was faster, with the same network
                weights.save(made, path)
        model = self.fresh()
        weights.apply(model, weights.load(path), what=str(path))
        return model.eval()

    def _noted(self, name: str) -> dict[str, float]:
        noted: dict[str, float] = json.loads(self._path(name, ".json").read_text())
        return noted

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"seed{self.seed}-{name}{suffix}"


def _at_most(task: Task, count: int, seed: int) -> Task:
    return task.subset(count, seed=seed) if 0 < count < len(task.train_inputs) else task
