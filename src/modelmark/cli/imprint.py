"""``modelmark embed`` where nothing is trained: marks of ``spread`` and ``field`` into trained weights as they are."""

from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.cli.terminal import say, stopped_by_signals

OTHER_HOST = "warning: this is not the host that the key committed to; aligned to that one, the mark may read as chance"

if TYPE_CHECKING:
    from torch import nn

    from modelmark.marks.marks import Mark
    from modelmark.marks.reach import Reach
    from modelmark.suspects.files import WeightFile
    from modelmark.training.task import Task


def imprint(marks: "list[Mark]", weights: Path, output: Path, *, data: str = "", arch: str = "") -> None:
    """Write a marked copy of trained weights.

    Args:
        marks: of ``spread`` and ``field`` keys.
        weights: a safetensors file or folder, copied tensor by tensor; of a key made for a network any other weight file, which
            is read into the network.
        output: a new file, or a new folder for shards.
        data: on which the accuracy before and after is shown; empty: nowhere.
        arch: code of the network as a person typed it, where that is needed.
    """
    from modelmark.cli.loading import build_model, folder_of, load_task, load_weights
    from modelmark.cli.saving import beside
    from modelmark.errors import MismatchError
    from modelmark.marks.onfiles import imprint_file, is_host, is_safetensors, require_safetensors
    from modelmark.schemes.spread import Spread
    from modelmark.suspects.files import open_weights

    file, key = open_weights(weights), marks[0].key
    plain = is_safetensors(file)
    if not key.arch:  # a key made for a file alone: there is no network to read another container into
        require_safetensors(file)
    task: Task | None = None
    model: nn.Module | None = None
    if data:
        task = load_task(data, folder=folder_of(arch, weights), feed=key.feed)
        try:
            task = task.fed_as(key.feed)
        except MismatchError as error:
            raise MismatchError(
                str(error), hint="a key made for a file alone knows no data: leave --data out"
            ) from None
        model = load_weights(
            build_model(arch, key.arch, task.feed), file, task.feed
        )  # wrong data is said before anything is written
        from modelmark.training.task import accuracy, perplexity

        before = 100 * accuracy(model, task)
        was = perplexity(model, task) if task.feed.kind == "causal" else None
    with stopped_by_signals():
        if plain and all(isinstance(mark.key.scheme, Spread) for mark in marks) and _has_own_names(marks, file):
            reached = imprint_file(weights, output, marks)
        else:
            if model is None:
                model = load_weights(build_model(arch, key.arch, key.feed), file, key.feed)
            reached = _through_the_network(marks, model, output, beside(folder_of(arch, file.path)))
    say(f"{output}: {'; '.join(map(str, reached))}")
    if any(mark.key.host and not is_host(mark.key, file) for mark in marks):
        say(OTHER_HOST)
    if task is not None:
        model = load_weights(build_model(arch, key.arch, task.feed), output, task.feed)
        say(f"test accuracy {100 * accuracy(model, task):.2f} %, {before:.2f} % before")
        if was is not None:
            say(f"perplexity {perplexity(model, task):.3f}, {was:.3f} before")


def _has_own_names(marks: "list[Mark]", file: "WeightFile") -> bool:
    """Return whether a file has all layers that are marked under the keys' names, as those of transformers may not."""
    from modelmark.errors import MismatchError
    from modelmark.suspects.files import name_of
    from modelmark.suspects.places import Place

    if not marks[0].key.arch.startswith("hf:"):
        return True
    try:
        for mark in marks:
            for run in mark.key.carriers.runs:  # type: ignore[attr-defined]
                name_of(file, Place.named(run.layer, run.width).path)
    except MismatchError:
        return False
    return True


def _through_the_network(marks: "list[Mark]", model: "nn.Module", output: Path, along: list[Path]) -> "list[Reach]":
    """Write a marked copy through the network, which knows the names: files of transformers and of trainers have others."""
    from modelmark.cli.saving import save
    from modelmark.errors import NotEmbeddedError
    from modelmark.marks.embedding import reach
    from modelmark.marks.imprinting import imprint

    for mark in marks:
        model = imprint(model, mark)
    reached = [reach(mark, model) for mark in marks]
    if not all(entry.done for entry in reached):
        raise NotEmbeddedError(
            f"expected every mark whole, got {'; '.join(map(str, reached))}",
            hint="a spread key of fewer bits or more strength; of field: the host that the key was made of, and "
            "--draw timestamp, more queries or more points to lose",
        )
    save(model, output, along)
    return reached
