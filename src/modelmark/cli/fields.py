"""What ``keygen`` brings to a ``field`` key: rehearsals from a folder, and a pool of inputs to choose queries from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark.cli.terminal import say
from modelmark.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from modelmark.marks.marks import Mark
    from modelmark.schemes._field_along import Along
    from modelmark.training.task import Task


def attached(
    chosen: dict[str, object],
    host: "nn.Module",
    task: "Task",
    *,
    rehearsals: Path | None,
    queries: str,
    arch: str,
    along: str = "",
    needed: float = 0.0,
) -> "dict[str, NDArray[Any]]":
    """Return what a ``field`` key holds.

    Args:
        chosen: settings that were typed.
        host: trained and unmarked.
        task: the owner's data.
        rehearsals: folder that ``modelmark rehearse`` made; None: the host is its own reference.
        queries: data to choose queries from, all of it; empty: the test data of the task.
        arch: of host and rehearsals.
        along: ``module:function`` that says coordinates of one's own; empty: none.
        needed: gross bits that evidence takes; 0: the key is never evidence.
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
        students = [load_weights(build_model(arch, "", task.feed), path, task.feed) for path in found]
    pool = None
    if queries:
        more = load_task(queries).fed_as(task.feed)
        pool = torch.cat([more.train_inputs, more.test_inputs])
    scheme = options.make(Field, chosen)
    made = scheme.prepared(host, task, students=students, pool=pool, along=function(along))
    if scheme.coordinates == "features":
        bits, lost = scheme.foretold(host, task, made)
        say(f"a field of another draw: {bits:.1f} gross bits in the host itself, {lost:.2f} points lost")
        if bits < needed:
            say(
                f"warning: {needed:g} gross bits make evidence, so this key is likely none even in the model that it marks: more "
                "queries (--queries, --set queries=N), more points to lose (--set lose=N), or --draw timestamp"
            )
    return made


def function(typed: str) -> "Along | None":
    """Return the function that a person typed as ``module:function``."""
    from modelmark.naming import import_object

    found: Along | None = import_object(typed) if typed else None
    if typed and not callable(found):
        raise UsageError(f"expected {typed!r} to be a function, got {type(found).__name__}")
    return found


def with_function(marks: "list[Mark]", typed: str) -> "list[Mark]":
    """Return marks, those of coordinates of one's own with the function that a person typed."""
    from modelmark.marks.leaning import along
    from modelmark.schemes.field import Field

    own = [isinstance(mark.key.scheme, Field) and mark.key.scheme.coordinates == "own" for mark in marks]
    if not typed:
        if any(own):
            raise UsageError(
                "expected the function of which a key's coordinates are, got none", hint="--along module:function"
            )
        return marks
    if not any(own):
        raise UsageError("expected --along with a field key of coordinates of one's own, got none")
    said = function(typed)
    assert said is not None
    return [along(mark, said) if needs else mark for mark, needs in zip(marks, own, strict=True)]
