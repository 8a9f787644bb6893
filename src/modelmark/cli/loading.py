"""From what was typed to what is computed with: keys, models, data."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark import files
from modelmark.cli.terminal import passphrase, say
from modelmark.errors import UsageError
from modelmark.feeds.pictures import UNIT, of_pictures

if TYPE_CHECKING:
    from torch import nn

    from modelmark.feeds.base import Feed
    from modelmark.feeds.tokenizer import Tokenizer
    from modelmark.marks.keys import Key
    from modelmark.schemes.base import Scheme
    from modelmark.suspects.files import WeightFile
    from modelmark.training.task import Task

_UNDRAWN_SEED = 0
_CODE = "they fit no network that is known here: --arch module:factory names the code that makes theirs"


def load_key(path: Path, passphrase_file: Path | None, *, scheme: str = "") -> "Key":
    """Return the key in a file, asking for its passphrase where it has one."""
    from modelmark.marks import keyfile

    locked = keyfile.read(path)
    if scheme and scheme != locked.header.scheme:
        raise UsageError(f"expected --scheme {locked.header.scheme} or none for {path.name}, got {scheme}")
    typed = passphrase(passphrase_file, confirm=False) if locked.header.encrypted else None
    return locked.unlock(typed, scheme=scheme)


def load_task(
    spec: str, mean: str = "", std: str = "", *, folder: Path | None = None, feed: "Feed | None" = None
) -> "Task":
    """Return the task over the data that ``spec`` names.

    Args:
        spec: of pictures, texts or tokens.
        mean: how pictures are fed, if a person said so.
        std: likewise.
        folder: of the model, whose tokenizer reads texts; see ``folder_of``.
        feed: of a key that the data are for; its rows are as long.
    """
    from dataclasses import replace

    from modelmark import data
    from modelmark.training.task import Task

    if not spec:
        raise UsageError("expected data, got none", hint="name it: --data digits, --data idx:DIR, ...")
    if data.is_of_words(spec):
        if mean or std:
            raise UsageError(f"expected --mean and --std with pictures, got {spec.partition(':')[0]}")
        rows = data.load_rows(spec, folder, length=feed.input_shape[0] if feed and feed.kind != "pictures" else 0)
        for note in rows.notes:
            say(note)
        return _told(spec, Task.from_rows(rows))
    dataset = data.load(spec)
    task = _told(spec, Task.from_dataset(dataset))
    if spec.startswith("images:"):  # which folders are classes, and what is held out, was guessed from their names
        say(_found(spec, task))
    if dataset.drawn:
        say(
            "no train/ and test/ there, so a fifth was picked to test: of a network that was trained on it accuracy is flattered"
        )
    own = of_pictures(task.feed)
    means = _constants("mean", mean) if mean else own.mean
    stds = _constants("std", std) if std else own.std
    try:
        return replace(task, feed=replace(own, mean=means, std=stds))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _found(spec: str, task: "Task") -> str:
    """Return what a folder of pictures was taken to be."""
    channels, height, width = task.feed.input_shape
    names = ", ".join(task.feed.class_names[:3]) + (", ..." if task.feed.classes > 3 else "")
    return (
        f"{spec}: {len(task.train_inputs)} pictures to train on and {len(task.test_inputs)} to test, {height} x {width}, "
        f"{'grey' if channels == 1 else 'colour'}, {task.feed.classes} classes: {names}"
    )


def _told(spec: str, task: "Task") -> "Task":
    """Return the data, having said of which classes there is nothing: labels with gaps are seldom meant."""
    if task.feed.kind == "causal":
        return task
    there = {*task.labels.tolist(), *task.test_labels.tolist()}
    if empty := [name for label, name in enumerate(task.feed.class_names) if label not in there]:
        names = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
        say(f"warning: {len(empty)} of {task.feed.classes} classes have no sample in {spec}: {names}")
        say("hint: labels are numbers of the network's outputs, from 0 on")
    return task


def _constants(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(round(float(part) * UNIT) for part in text.split(","))
    except (ValueError, OverflowError):
        raise UsageError(f"expected numbers separated by commas for --{name}, got {text!r}") from None


def require_bar(bits: float) -> float:
    """Return a bar in bits, or refuse one that everything or nothing would reach."""
    if not 0 < bits < 1e6:
        raise UsageError(f"expected a finite number above 0 and below a million for --bits, got {bits:g}")
    return bits


def build_model(arch: str, known: str, feed: "Feed", *, seed: int = _UNDRAWN_SEED) -> "nn.Module":
    """Return a fresh model.

    Args:
        arch: what was typed just now; trusted.
        known: what a key says, used where nothing was typed; never imported.
        feed: of the data or key.
        seed: of the initial weights.
    """
    from modelmark import models

    if not (arch or known):
        raise UsageError(
            "expected an architecture, got none", hint="name it: --arch lenet5, --arch module:factory, --arch hf:FOLDER"
        )
    return models.build(
        arch or known, feed.input_shape, feed.classes, seed=seed, trusted=bool(arch),
        vocabulary=getattr(feed, "vocabulary", 0),
    )  # fmt: skip


def folder_of(arch: str, weights: Path | None) -> Path | None:
    """Return the model's folder: what ``--arch hf:FOLDER`` names, else that of the weights if it has a configuration."""
    from modelmark.data.folder import named

    if (typed := named(arch)) is not None or weights is None:
        return typed
    there = weights if weights.is_dir() else weights.parent
    return there if (there / "config.json").is_file() else None


def on_device(model: "nn.Module", name: str) -> "nn.Module":
    """Return ``model`` moved to the device of that name, where from now on one seed gives one result.

    Raises:
        UsageError: torch has no such device here.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts; without it sums may vary
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("meta holds no numbers")
        moved = model.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        hint = "cpu, cuda, cuda:1, mps and xpu are such names" if reason.startswith("Expected one of") else ""
        raise UsageError(
            f"expected a device that torch has here, got {name!r}" + ("" if hint else f": {reason[:120]}"), hint=hint
        ) from None
    if device.type != "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    return moved


def load_weights(model: "nn.Module", given: "Path | WeightFile", feed: "Feed") -> "nn.Module":
    """Load weights into ``model`` and return it; what was undone and left aside is said.

    Args:
        model: of the architecture the weights are for.
        given: where the weights are, or the file that is open already.
        feed: how the model is fed.

    Raises:
        MismatchError: they are of another; the hint says of which, where it is known here.
    """
    from modelmark.errors import MismatchError
    from modelmark.suspects import recognising, weights
    from modelmark.suspects.files import open_weights

    file = open_weights(given) if isinstance(given, Path) else given
    try:
        fit = weights.apply(model, file, what=f"weights in {file.path.name}")
    except MismatchError as error:
        error.hint = error.hint or recognising.told(file, feed) or _CODE
        raise
    for line in dict.fromkeys((*file.notes, *fit.notes)):
        say(f"{file.path.name}: {line}")
    return model.eval()


def require_new(*paths: Path) -> None:
    """Refuse outputs that exist, or are one and the same, before any work is done."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError(f"expected different files, got {', '.join(path.name for path in paths)}")
    for path in paths:
        files.require_absent(path)


def tokenizer_of(scheme: "type[Scheme]", typed: Path | None, arch: str, weights: Path | None) -> "Tokenizer | None":
    """Return the tokenizer with which a scheme keeps texts: the one that was typed, else the one in the model's folder.

    Args:
        scheme: of the key; most keep none.
        typed: a file or a folder.
        arch: as it was typed.
        weights: of the host.

    Raises:
        UsageError: one was typed, and the scheme keeps no texts.
    """
    from modelmark.data import words
    from modelmark.feeds.tokenizer import FILE, Tokenizer

    if not hasattr(scheme, "collect_texts"):
        if typed:
            raise UsageError(f"expected --tokenizer with a scheme that asks by text, got {scheme.name}")
        return None
    if typed:
        return Tokenizer.load(typed)
    folder = folder_of(arch, weights)
    return words.of(folder).tokenizer if folder and (folder / FILE).is_file() else None
