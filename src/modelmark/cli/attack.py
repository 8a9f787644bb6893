"""``modelmark attack``: what a thief would do to a stolen model; no key comes near it."""

from typing import Annotated, Any

import typer

from modelmark.cli.options import Arch, Data, Device, Mean, Output, Seed, Settings, Std, Weights
from modelmark.cli.progress import progress
from modelmark.cli.terminal import say


def run(
    name: Annotated[str, typer.Argument(help="finetune, prune, ...; see modelmark attacks")],
    weights: Weights,
    arch: Arch,
    data: Data,
    output: Output,
    settings: Settings = None,
    mean: Mean = "",
    std: Std = "",
    share: Annotated[float, typer.Option("--share", help="of the training data that the thief has")] = 1.0,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Attack a model and write the result, with the accuracy it cost."""
    from modelmark import options
    from modelmark.attacks import attack_class
    from modelmark.cli.loading import build_model, folder_of, load_task, load_weights, on_device, require_new
    from modelmark.cli.saving import beside, save
    from modelmark.errors import UsageError
    from modelmark.training.task import accuracy, perplexity

    require_new(output)
    attack: Any = options.make(attack_class(name), dict(options.parse(settings or [])))
    if attack.kind not in ("modification", "extraction"):
        raise UsageError(
            f"expected an attack that gives a model, got {name}, which is {attack.kind}",
            hint="modelmark audit runs every kind",
        )
    folder = folder_of(arch, weights)
    task = load_task(data, mean, std, folder=folder).split({"thief": share}, seed=seed)["thief"]
    along = beside(folder)
    model = on_device(load_weights(build_model(arch, "", task.feed), weights, task.feed), device)
    before = accuracy(model, task)
    with progress(f"{name} attack", "training") as step:
        attacked = attack(model, task, seed=seed, watch=step)
    after = accuracy(attacked, task)
    save(attacked, output, along)
    say(f"{output}: {attack}")
    old, new = model.state_dict(), attacked.state_dict()
    if old.keys() != new.keys():
        say("it has another architecture: verify --arch NAME reads it, by its answers")
    elif any(tensor.shape != old[name].shape for name, tensor in new.items()):
        say("its layers have other widths: verify --align-to HOST reads white-box marks")
    say(f"test accuracy {100 * before:.2f} % before, {100 * after:.2f} % after")
    if task.feed.kind == "causal":
        say(f"perplexity {perplexity(model, task):.3f} before, {perplexity(attacked, task):.3f} after")
