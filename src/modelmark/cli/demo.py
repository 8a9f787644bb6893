"""``modelmark demo``: mark a small network, attack it, and see which verdicts come out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.cli.options import Epochs
from modelmark.cli.progress import progress
from modelmark.cli.terminal import say
from modelmark.naming import counted

if TYPE_CHECKING:
    from modelmark.evidence.evidence import Evidence, Observation


def run(
    data: Annotated[str, typer.Option("--data", metavar="SPEC", help="as for keygen")] = "digits",
    arch: Annotated[str, typer.Option("--arch", metavar="NAME", help="as for keygen")] = "cnn",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="a folder for what is made")] = Path(
        "modelmark-demo"
    ),
    epochs: Epochs = 0,
    seed: Annotated[int, typer.Option("--seed", help="of training; the keys are always new")] = 0,
) -> None:
    """Train a network, mark it with adi and uchida, and verify it, an unmarked one, a wrong key and two attacked copies."""
    from modelmark.attacks.pruning.prune import Prune
    from modelmark.attacks.tuning.finetune import FineTune
    from modelmark.cli.loading import build_model, load_task, require_new
    from modelmark.marks import keyfile
    from modelmark.marks.embedding import embed
    from modelmark.marks.keys import Provenance, keygen
    from modelmark.schemes.adi import Adi
    from modelmark.schemes.base import Scheme
    from modelmark.schemes.uchida import Uchida
    from modelmark.suspects import weights
    from modelmark.suspects.module import WhiteBox
    from modelmark.training.loop import fit, suggested
    from modelmark.training.task import accuracy

    require_new(output)
    task = load_task(data)
    fresh = build_model(arch, "", task.feed, seed=seed)
    plan = suggested(fresh, task, epochs=epochs)
    say(f"{arch} on {data}: {counted(len(task.train_inputs), 'training sample')}")
    say(str(plan))

    schemes: dict[str, Scheme] = {"adi": Adi(), "uchida": Uchida(), "wrong-adi": Adi(), "wrong-uchida": Uchida()}
    keys = {
        name: keygen(made, fresh, task.feed, owner=Provenance(arch=arch, data=data)) for name, made in schemes.items()
    }
    with progress("training an unmarked network") as step:
        unmarked = fit(fresh, task, plan, seed=seed, watch=step)
    with progress("training a marked network", "round") as step:
        done = embed(
            fresh,
            [keys["adi"].mark(), keys["uchida"].mark()],
            task,
            plan,
            seed=seed,
            watch=lambda number, now: step(now, number + 1),
        )
    marked = done.model
    with progress("fine-tuning the marked network, as a thief would") as step:
        tuned = FineTune(form="ftal", rate=0.001, epochs=5)(marked, task, seed=seed, watch=step)
    models = {
        "marked": marked,
        "unmarked": unmarked,
        "fine-tuned": tuned,
        "pruned": Prune(amount=0.5)(marked, task, seed=seed),
    }

    output.mkdir()
    for name in ("adi", "uchida"):
        keyfile.save(keys[name], output / f"{name}.key", None)
    for name, model in models.items():
        weights.save(model, output / f"{name}.safetensors")

    rows: list[tuple[str, float, Evidence | Observation]] = []
    for title, model, kind in [
        *((name, model, "") for name, model in models.items()),
        ("marked, wrong key", marked, "wrong-"),
    ]:
        for scheme in ("adi", "uchida"):
            mark = keys[f"{kind}{scheme}"].mark()
            rows.append((title, accuracy(model, task), mark.evidence(WhiteBox(model))))
    _table(rows)
    say(f"keys (not encrypted: this is a demo) and models are in {output}/; go on with, for instance:")
    say(
        f"  modelmark verify {output}/adi.key --weights {output}/pruned.safetensors"
        + (f" --arch {arch}" if ":" in arch else "")
    )


def _table(rows: "list[tuple[str, float, Evidence | Observation]]") -> None:
    from rich.console import Console
    from rich.table import Table

    from modelmark.evidence.evidence import shown

    table = Table(title="What each model says (64 net bits establish a mark)")
    for column in ("model", "accuracy", "scheme", "matches", "net bits", "verdict"):
        table.add_column(column, justify="right" if column in ("accuracy", "matches", "net bits") else "left")
    before = ""
    for title, share, found in rows:
        again = title == before
        table.add_row(
            "" if again else title,
            "" if again else f"{100 * share:.2f} %",
            found.scheme,
            f"{found.matches}/{found.trials}",
            shown(getattr(found, "net_bits", 0.0)),
            found.verdict,
            end_section=again,
        )
        before = title
    Console().print(table)
