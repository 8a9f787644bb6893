"""One process of a run makes what all of them use, while the others wait."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from modelmark.suspects import weights

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None


COMMON: list[Path] = []
"""The folder that all processes of this run share, once it is known."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes out while the block runs; nobody, where there is no such lock."""
    with path.open("w") as stream:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def made_once(name: str, like: nn.Module, train: Callable[[], nn.Module]) -> nn.Module:
    """Train a network of the architecture of ``like``, or take what another process of this run has trained."""
    if not COMMON:  # no run of tests
        return train()
    (folder,) = COMMON
    kept = folder / f"{name}.safetensors"
    with alone(folder / f"{name}.lock"):  # who comes second waits, rather than train the same network beside
        if not kept.exists():
            weights.save(train(), folder / f"{name}.new")
            (folder / f"{name}.new").replace(kept)
    model = copy.deepcopy(like)
    weights.apply(model, weights.load(kept), what=f"weights of {name}")
    return model.eval()
