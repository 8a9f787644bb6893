"""``modelmark embed``: put the marks of one or several keys into a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Device, Epochs, Output, PassphraseFile, SchemeModule, Seed
from modelmark.cli.papers import Authorities, ClaimOption, DepositFile
from modelmark.cli.progress import progress
from modelmark.cli.terminal import say
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.training.loop import Progress


def run(
    keys: Annotated[list[Path], typer.Argument(metavar="KEY...", help="one or several key files")],
    output: Output,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="a trained model; without it, train from scratch")
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="SPEC", help="as for keygen; default: the key's")] = "",
    arch: Annotated[
        str, typer.Option("--arch", metavar="NAME", help="only for module:factory and hf:FOLDER; else the key's")
    ] = "",
    epochs: Epochs = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="peak learning rate; 0: decide for me")] = 0.0,
    batch: Annotated[int, typer.Option("--batch", min=0, help="samples a step; 0: decide for me")] = 0,
    augment: Annotated[str, typer.Option("--augment", help="none, crop or crop-flip; empty: decide for me")] = "",
    rounds: Annotated[
        int,
        typer.Option("--rounds", min=1, max=1000, help="runs of the schedule; as many again if few symbols are short"),
    ] = 3,
    keep: Annotated[
        bool, typer.Option("--keep", help="write a result that is short of its margin, too; the exit status stays 1")
    ] = False,
    release: Annotated[
        str, typer.Option("--release", metavar="NAME", help="a paper's own recipe: adi, adi-continued or uchida")
    ] = "",
    distill: Annotated[
        bool, typer.Option("--distill", help="learn the given model's own answers; labels are not used")
    ] = False,
    along: Annotated[
        str,
        typer.Option("--along", metavar="MODULE:FUNCTION", help="field of coordinates of one's own: what says them"),
    ] = "",
    deposit: DepositFile = None,
    claim: ClaimOption = None,
    authority: Authorities = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="embed a key that waits for a deposit without one; no mark of its claim")
    ] = False,
    scheme: SchemeModule = "",
    seed: Seed = 0,
    device: Device = "cpu",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Train until every mark is in the model, and write its weights: of transformers a folder that from_pretrained loads.

    A trained model (--weights) is marked in seconds where that costs at most 0.3 points of accuracy, and trained for as many
    epochs as it takes where not. Options that say how to train (--epochs, --rate, ...) have it trained so, to the end.

    A mark of spread or field goes into trained weights as they are, without data and training: keys of these alone with
    --weights, and no option that says how to train. With --data the accuracy before and after is shown.

    An interrupted run leaves FILE.partial; the same command goes on from the last whole epoch.
    """
    from modelmark.cli import papers
    from modelmark.cli.fields import with_function
    from modelmark.cli.imprint import OTHER_HOST, imprint
    from modelmark.cli.loading import (
        build_model,
        folder_of,
        load_key,
        load_task,
        load_weights,
        on_device,
        require_new,
    )  # fmt: skip
    from modelmark.cli.saving import beside, save
    from modelmark.errors import DivergedError, NotEmbeddedError, UsageError
    from modelmark.schemes.base import is_instant
    from modelmark.training import recipe

    require_new(output)
    if release and (rate or batch or augment):
        raise UsageError("expected --release alone or with --epochs, got --rate, --batch or --augment beside it")
    plan = recipe.released(release, epochs) if release else None
    if distill and weights is None:
        raise UsageError("expected --weights with --distill: the model whose answers are learned")
    dated = papers.claimed(claim, deposit, authority)
    opened = [load_key(path, passphrase_file, scheme=scheme) for path in keys]
    marks = with_function(papers.marks(opened, dated, offline=offline), along)
    if augment not in ("", "none", "crop", "crop-flip"):
        raise UsageError(f"expected none, crop or crop-flip for --augment, got {augment!r}")
    trains = epochs or rate or batch or augment or release or distill
    if weights is not None and not trains and all(is_instant(key.scheme) for key in opened):
        imprint(marks, weights, output, data=data, arch=arch)
        return
    from modelmark.cli.checkpoint import Checkpoint
    from modelmark.marks.embedding import KNOWS, check_together, embed, most_lost
    from modelmark.suspects import weights as weight_files
    from modelmark.training.loop import suggested
    from modelmark.training.task import perplexity

    spec = data or opened[0].data
    folder = folder_of(arch, weights)
    task = load_task(spec, folder=folder, feed=opened[0].feed).fed_as(opened[0].feed)
    companions = beside(folder)
    model = build_model(arch, opened[0].arch, task.feed, seed=seed)
    if weights is not None:
        model = load_weights(model, weights, task.feed)
    model = on_device(model, device)
    start = weight_files.digest(model.state_dict())
    told = epochs or rate or batch or augment or release
    if plan is None and (told or weights is None):
        plan = suggested(
            model, task, trained=weights is not None, epochs=epochs, peak=rate, batch=batch, augment=augment
        )
    if distill:
        task = task.distilled(model)
    check_together(model, marks, task)
    names = [mark.key.fingerprint + mark.draw.token.hex() for mark in marks]
    checkpoint = Checkpoint.beside(output, names, start, repr(plan), seed, distill, task.digest, device)
    origin = (
        "checkpoint found, going on from it"
        if checkpoint.found
        else f"from {weights.name}"
        if weights
        else "from scratch"
    )
    say(f"{plan or 'as many epochs as it takes, perhaps none'}; {origin}")
    if any(key.host and key.access == "white-box" and key.host != start for key in opened):
        say(OTHER_HOST)

    def watch(number: int, now: "Progress") -> None:
        step(now, number + 1)
        checkpoint.keep(number, now)

    def begun(share: float) -> None:
        if weights and task.feed.kind != "causal" and share < 1 / task.feed.classes + KNOWS:
            say(
                f"warning: the given model knew little of this data, {100 * share:.2f} %: is it untrained, or fed otherwise?"
            )
            say("hint: keygen --mean and --std say how the key feeds it")

    try:
        with progress("embedding", "round") as step:
            done = embed(
                model,
                marks,
                task,
                plan,
                seed=seed,
                rounds=rounds,
                settling=not release,
                keep=keep,
                resume=checkpoint.found,
                watch=watch,
                begun=begun,
            )
    except KeyboardInterrupt:
        say(f"interrupted; the same command {checkpoint.way_on}")
        raise typer.Exit(130) from None
    except (NotEmbeddedError, DivergedError):
        checkpoint.remove()
        raise
    save(done.model, output, companions)
    checkpoint.remove()
    say(f"{output}: {'; '.join(map(str, done.reached))}")
    if plan is None:
        say(f"after {counted(done.epochs, 'epoch')} of the whole network")
        if done.lost > most_lost(task):
            say(
                f"warning: {100 * done.lost:.2f} points of accuracy went, where {100 * most_lost(task):.1f} are aimed at"
            )
            say("hint: a smaller mark, another scheme, or --epochs N with more of them than that")
    before, after = 100 * done.accuracy_before, 100 * done.accuracy_after
    say(f"test accuracy {after:.2f} %" + (f", {before:.2f} % before" if weights else ""))
    if task.feed.kind == "causal":
        found, was = perplexity(done.model, task), perplexity(model, task)
        say(f"perplexity {found:.3f}" + (f", {was:.3f} before" if weights else ""))
    if not done.is_whole:
        say("error: expected every symbol with its margin, got fewer; written all the same (--keep)")
        raise typer.Exit(NotEmbeddedError.exit_status)
