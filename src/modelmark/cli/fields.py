"""What ``keygen`` brings to a ``field`` key: rehearsals from a folder, and a pool of inputs to choose queries from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from modelmark.training.task import Task


def attached(
    chosen: dict[str, object],
    host: "nn.Module",
    task: "Task",
    *,
    rehearsals: Path | None,
    queries: str,
    arch: str,
) -> "dict[str, NDArray[Any]]":
    """Return what a ``field`` key holds.

    Args:
        chosen: settings that were typed.
        host: trained and unmarked.
        task: the owner's data.
        rehearsals: folder that ``modelmark rehearse`` made; None: the host is its own reference.
        queries: data to choose queries from, all of it; empty: the test data of the task.
        arch: of host and rehearsals.
    """
    import torch

    from modelmark import options
    from modelmark.cli.loading import build_model, load_task, load_weights
    from modelmark.cli.rehearse import PREFIX, require_host
    from modelmark.schemes.field import Field

    students = []
    if rehearsals is not None:
        found = sorted(rehearsals.glob(f"{PREFIX}*.safetensors"))
        if not found:
            raise UsageError(f"expected rehearsals in {rehearsals}, found none", hint="modelmark rehearse makes them")
        require_host(rehearsals, host)
        students = [load_weights(build_model(arch, "", task.feed), path) for path in found]
    pool = None
    if queries:
        more = load_task(queries).fed_as(task.feed)
        pool = torch.cat([more.train_inputs, more.test_inputs])
    return options.make(Field, chosen).prepared(host, task, students=students, pool=pool)
