"""``modelmark rehearse``: students of an unmarked model, which a ``field`` key compares answers with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.canonical import Json
from modelmark.cli.options import Arch, Data, Device, Epochs, Mean, Seed, Std
from modelmark.cli.progress import progress
from modelmark.cli.terminal import say

if TYPE_CHECKING:
    from torch import nn

Host = Annotated[Path, typer.Argument(metavar="HOST", help="weights of the trained, unmarked model")]
Folder = Annotated[
    Path, typer.Option("-o", "--output", metavar="FOLDER", help="of the students; made if it is not there")
]


def run(
    host: Host,
    output: Folder,
    data: Data = "",
    arch: Arch = "",
    count: Annotated[
        int, typer.Option("--count", min=1, max=64, help="of students; each more helps a little less")
    ] = 8,
    epochs: Epochs = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="peak learning rate; 0: decide for me")] = 0.0,
    augment: Annotated[str, typer.Option("--augment", help="none, crop or crop-flip; empty: decide for me")] = "",
    mean: Mean = "",
    std: Std = "",
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train students from scratch on the answers of an unmarked model, as a thief of its answers would.

    A field key takes what they answer for its reference: keygen field --host HOST --rehearsals FOLDER. Each student takes as
    long as training the model did. What is there already is kept: the same command goes on where it was stopped.
    """
    from modelmark.cli.loading import build_model, folder_of, load_task, load_weights, on_device
    from modelmark.errors import UsageError
    from modelmark.suspects import weights
    from modelmark.training.loop import suggested
    from modelmark.training.rehearsing import rehearse
    from modelmark.training.task import accuracy

    if augment not in ("", "none", "crop", "crop-flip"):
        raise UsageError(f"expected none, crop or crop-flip for --augment, got {augment!r}")
    if output.exists() and not output.is_dir():
        raise UsageError(f"expected a folder at {output}, got a file")
    task = load_task(data, mean, std, folder=folder_of(arch, host))
    trained = on_device(load_weights(build_model(arch, "", task.feed), host, task.feed), device)
    output.mkdir(parents=True, exist_ok=True)
    require_host(output, trained, new=True)
    how: dict[str, Json] = {
        "arch": arch,
        "data": data,
        "epochs": epochs,
        "rate": repr(rate),
        "augment": augment,
        "seed": seed,
    }
    require_settings(output, {**how, "mean": mean, "std": std})
    for number in range(count):
        path = output / f"{PREFIX}{number}.safetensors"
        if path.exists():
            say(f"{path}: there already")
            continue
        own = seed + number + 1
        student = on_device(build_model(arch, "", task.feed, seed=own), device)
        plan = suggested(student, task, epochs=epochs, peak=rate, augment=augment)
        with progress(f"rehearsal {number + 1} of {count}") as step:
            found = rehearse(student, trained, task, plan, seed=own, watch=step)
        weights.save(found, path)
        say(
            f"{path}: test accuracy {100 * accuracy(found, task):.2f} %, {100 * accuracy(trained, task):.2f} % the host"
        )


PREFIX, HOST, SETTINGS = "rehearsal-", "host", "settings"
"""How the files of a folder of rehearsals begin, which one says of what model they are, and which one how they were trained."""


def require_settings(folder: Path, settings: "dict[str, Json]") -> None:
    """Raise MismatchError if the students in a folder were trained in another way; where it says nothing, it is this one."""
    from modelmark import canonical, files
    from modelmark.errors import MismatchError

    path, own = folder / SETTINGS, canonical.encode(settings)
    if not path.exists():
        files.write_new(path, own + b"\n")
        return
    said = files.read(path, limit=2**16, what="settings of rehearsals").strip()
    if said == own:
        return
    before = canonical.decode(said, what="settings of rehearsals")
    other = [name for name in settings if not isinstance(before, dict) or before.get(name) != settings[name]]
    raise MismatchError(
        f"expected rehearsals trained as those in {folder} were, got another {' and '.join(other)}",
        hint="another folder, or the options that were typed first",
    )


def require_host(folder: Path, host: "nn.Module", *, new: bool = False) -> None:
    """Raise MismatchError if a folder has rehearsals of another host; ``new``: where it says nothing it is of this one."""
    from modelmark import files
    from modelmark.errors import MismatchError
    from modelmark.suspects import weights

    own, path = weights.digest(host.state_dict()), folder / HOST
    if not path.exists():
        if new:
            files.write_new(path, own.encode() + b"\n")
        return
    said = files.read(path, limit=128, what="the digest of a host").strip()
    if said != own.encode():
        raise MismatchError(
            f"expected rehearsals of the host {own[:16]} in {folder}, got those of another",
            hint="another folder, or the model that they were made of",
        )
