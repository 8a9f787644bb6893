"""``modelmark embed`` where nothing is trained: ``spread`` marks into trained weights as they are."""

from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.cli.terminal import say, stopped_by_signals

OTHER_HOST = "warning: this is not the host that the key committed to; aligned to that one, the mark may read as chance"

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark
    from modelmark.training.task import Task


def imprint(marks: "list[Mark]", weights: Path, output: Path, *, data: str = "", arch: str = "") -> None:
    """Write a marked copy of trained weights.

    Args:
        marks: of ``spread`` keys.
        weights: a safetensors file or folder, copied tensor by tensor; another container, if the network is known.
        output: a new file, or a new folder for shards.
        data: on which the accuracy before and after is shown; empty: nowhere.
        arch: code of the network as a person typed it, where that is needed.
    """
    from modelmark.cli.loading import build_model, load_task, load_weights
    from modelmark.errors import MismatchError
    from modelmark.marks.onfiles import imprint_file, is_host, require_safetensors
    from modelmark.suspects.files import open_weights

    file, key = open_weights(weights), marks[0].key
    require_safetensors(file, otherwise=", or train on: --epochs 1")
    task: Task | None = None
    if data:
        task = load_task(data)
        try:
            task = task.fed_as(key.feed)
        except MismatchError as error:
            raise MismatchError(
                str(error), hint="a key made for a file alone knows no data: leave --data out"
            ) from None
        model = load_weights(
            build_model(arch, key.arch, task.feed), file
        )  # wrong data is said before anything is written
        from modelmark.training.task import accuracy

        before = 100 * accuracy(model, task)
    with stopped_by_signals():
        reached = imprint_file(weights, output, marks)
    say(f"{output}: {'; '.join(map(str, reached))}")
    if any(mark.key.host and not is_host(mark.key, file) for mark in marks):
        say(OTHER_HOST)
    if task is not None:
        after = 100 * accuracy(load_weights(build_model(arch, key.arch, task.feed), output), task)
        say(f"test accuracy {after:.2f} %, {before:.2f} % before")
