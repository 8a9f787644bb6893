"""What the cells of an audit share: one unmarked network per seed; one key and marked network per scheme and seed."""

import copy as copying
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from modelmark import data, files, hashing, options
from modelmark.audit.grid import Entry, Grid
from modelmark.audit.result import INDEPENDENT
from modelmark.data.folder import named
from modelmark.errors import ModelmarkError, OutputExistsError
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes import scheme_class
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.training.loop import Progress, fit, suggested
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task, accuracy, perplexity

_OTHER = 1 << 31
"""Apart from a seed: that of an independent network."""
_BASE = 1 / 4
"""Of the unmarked network's training, after which it stands for a published one that the owner trained on from."""


@dataclass(frozen=True)
class Marked:
    """A mark and the network that carries it.

    Args:
        mark: of the owner's key.
        model: read only; what changes networks gets a copy.
        name: of the pair, in the folder of networks.
    """

    mark: Mark
    model: nn.Module
    name: str


@dataclass
class Bench:
    """Networks of one grid and seed, trained when first asked for and kept in a folder, with what was measured of them.

    Args:
        grid: what is audited.
        seed: of everything but keys.
        folder: where networks are kept, so that an audit goes on where it stopped.
    """

    grid: Grid
    seed: int
    folder: Path

    def __post_init__(self) -> None:
        whole = _task(self.grid)
        held = whole.split({"owner": 1 - self.grid.thief, "thief": self.grid.thief}, seed=self.seed)
        self.whole = len(whole.train_inputs)
        self.owner = _at_most(held["owner"], self.grid.owner, self.seed)
        self.thief = _at_most(held["thief"], self.grid.most, self.seed)
        self._latest: dict[str, Marked] = {}

    @cached_property
    def host(self) -> nn.Module:
        """The unmarked network, trained on the owner's data."""
        fresh = self.fresh()
        recipe = self._recipe(fresh, trained=False)
        return self._kept("host", lambda: fit(fresh, self.owner, recipe, seed=self.seed))

    @cached_property
    def independent(self) -> nn.Module:
        """A network of the same make, trained alike on the same data from another seed, which no mark was put into."""
        other = self.seed ^ _OTHER
        fresh = self.fresh(other)
        recipe = self._recipe(fresh, trained=False)
        return self._kept(INDEPENDENT, lambda: fit(fresh, self.owner, recipe, seed=other))

    @cached_property
    def base(self) -> nn.Module:
        """The unmarked network as it was after a quarter of its training: a base that a thief may have."""
        fresh = self.fresh()
        recipe = self._recipe(fresh, trained=False)

        def make() -> nn.Module:
            reached = copying.deepcopy(fresh)

            def watch(progress: Progress) -> None:
                if progress.epoch_ended and progress.step <= _BASE * progress.steps:
                    reached.load_state_dict(progress.snapshot()["model"])

            fit(fresh, self.owner, recipe, seed=self.seed, watch=watch)
            return reached

        return self._kept("base", make)

    @cached_property
    def host_accuracy(self) -> float:
        """The accuracy of the unmarked network."""
        return float(self.remembered("host-accuracy", lambda: accuracy(self.host, self.owner)))

    @cached_property
    def host_perplexity(self) -> float:
        """The perplexity of the unmarked network, a language model."""
        return float(self.remembered("host-perplexity", lambda: perplexity(self.host, self.owner)))

    @property
    def is_causal(self) -> bool:
        """Whether the networks are language models that tell the next token."""
        return self.owner.feed.kind == "causal"

    @property
    def training_cpu_s(self) -> float:
        """CPU seconds that training the unmarked network took."""
        return float(self._noted("host")["cpu_s"])

    def marked(self, entry: Entry, *, copy: int = 0) -> Marked:
        """Return a mark with the unmarked network after embedding it, on the owner's data; the latest two stay in memory.

        Args:
            entry: the scheme.
            copy: number of the buyer, for collusions.

        Raises:
            ModelmarkError: the mark does not go in; the reason is kept, so that it is tried once. What else goes wrong,
                such as a full disk, is not.
        """
        name = f"{entry.name}-{hashing.digest('entry', repr(entry).encode()).hex()[:8]}-{copy}"
        if name not in self._latest:
            others = list(self._latest.items())[-1:]
            self._latest = {**dict(others), name: self._marked(name, entry, copy)}
        return self._latest[name]

    def _marked(self, name: str, entry: Entry, copy: int) -> Marked:
        refused = self._path(name, ".refused")
        if refused.exists():
            raise ModelmarkError(refused.read_text())
        with _noting(refused):
            mark = self._mark(entry, copy)

        def make() -> nn.Module:
            with _noting(refused):
                if isinstance(mark.key.scheme, Spread):
                    return imprint(self.host, mark)  # as the command line does it: without data
                recipe = self._recipe(self.host, trained=True) if self.grid.recipe == "whole" else None
                return embed(self.host, [mark], self.owner, recipe, seed=self.seed + 1).model

        return Marked(mark, self._kept(name, make), name)

    def _mark(self, entry: Entry, copy: int) -> Mark:
        """Return the mark of the owner's key for a scheme; anybody can repeat it, so it is good for audits alone."""
        label = f"{entry.name}/{json.dumps(dict(entry.strengths[0]), sort_keys=True)}/{self.seed}/{copy}"
        return keygen(
            options.make(scheme_class(entry.name, trusted=True), entry.strengths[0]),
            self.host,
            self.owner.feed,
            task=self.owner,
            secret=Secret(hashing.digest("audit", label.encode())),
            owner=Provenance(host=weights.digest(self.host.state_dict())),
        ).mark()

    def remembered(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what ``measure`` gives, plain data, measured once for all processes and runs on this folder.

        Args:
            name: of the measurement, in the folder of networks.
            measure: called if that is not there yet.
        """
        path = self._path(name, ".json")
        if not path.exists():
            files.replace(path, json.dumps(measure()).encode())
        return json.loads(path.read_text())

    def fresh(self, seed: int | None = None) -> nn.Module:
        """Return the untrained network, of the bench's seed unless told another.

        Raises:
            UsageError: the grid's architecture is none.
            MismatchError: it is not one for this data.
        """
        feed = self.owner.feed
        vocabulary = getattr(feed, "vocabulary", 0)
        return build(
            self.grid.arch,
            feed.input_shape,
            feed.classes,
            seed=self.seed if seed is None else seed,
            trusted=True,
            vocabulary=vocabulary,
        )

    def _recipe(self, model: nn.Module, *, trained: bool) -> Recipe:
        """Return what training from scratch, or on a trained network, is to follow."""
        return suggested(model, self.owner, trained=trained, epochs=0 if trained else self.grid.epochs)

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


@contextmanager
def _noting(refused: Path) -> Iterator[None]:
    """Keep the reason of a refusal in a file."""
    try:
        yield
    except ModelmarkError as error:
        files.replace(refused, str(error).encode())
        raise


def _task(grid: Grid) -> Task:
    """Return the data of a grid, texts by the tokenizer of the folder that its architecture names."""
    if data.is_of_words(grid.data):
        return Task.from_rows(data.load_rows(grid.data, named(grid.arch)))
    return Task.from_dataset(data.load(grid.data))


def _at_most(task: Task, count: int, seed: int) -> Task:
    return task.subset(count, seed=seed) if 0 < count < len(task.train_inputs) else task
