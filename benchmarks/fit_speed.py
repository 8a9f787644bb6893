"""What ``fit`` costs against loops written by hand for the same work, and what the memory format does to a step.

``python benchmarks/fit_speed.py`` (some minutes; wants a quiet machine). Each way trains the same untrained network over the
same samples in the same order with the same optimiser, in one process, one after another in turn; CPU seconds of one thread,
medians of the ratios of the same round, with a control beside: measuring goes on until it is within 0.5 %, or says that it never
was. *By hand* turns bytes into floats batch by batch, as ``fit`` does; *prepared* has all floats in memory before the clock runs,
and takes the fused optimiser: the fastest loop that we can write. Both keep to the memory format of ``fit``, and clip where it
clips.
"""

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from _study import Rows
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.training.loop import fit, suggested
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task
from overhead import compare, noise, void

NETS = {
    "lenet5, MNIST": ("lenet5", (1, 28, 28), 20),
    "cnn, MNIST": ("cnn", (1, 28, 28), 6),
    "cnn, digits": ("cnn", (1, 8, 8), 20),
    "mlp, MNIST": ("mlp", (1, 28, 28), 40),
    "lenet5, 3 x 32 x 32": ("lenet5", (3, 32, 32), 40),
    "resnet8, 3 x 32 x 32": ("resnet8", (3, 32, 32), 5),
}
"""Architecture, shape of an input, steps of each way in a round."""
BATCH = 128


def plan(model: nn.Module, task: Task) -> Recipe:
    """Return the suggested recipe for one epoch, without augmentation."""
    return suggested(model, task, epochs=1, batch=BATCH, augment="none")


def by_hand(model: nn.Module, task: Task, recipe: Recipe, *, prepared: bool, last: bool) -> Callable[[], None]:
    """Return a loop of one epoch, as somebody would write it for this work alone."""
    normalise, layout = Normalise(task.feed), torch.channels_last if last else torch.contiguous_format
    ready = normalise(task.train_inputs) if prepared else task.train_inputs
    steps = len(ready) // recipe.batch

    def loop() -> None:
        net = copy.deepcopy(model).to(memory_format=layout).train()  # type: ignore[call-overload]
        optimizer = torch.optim.SGD(
            net.parameters(), lr=recipe.rate(0), momentum=recipe.momentum, nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay, fused=prepared,
        )  # fmt: skip
        order = torch.randperm(len(ready), generator=torch.Generator().manual_seed(0))
        for step, picked in enumerate(order[: steps * recipe.batch].split(recipe.batch)):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(step / steps)
            x = ready[picked] if prepared else normalise(ready[picked])
            loss = cross_entropy(net(x.contiguous(memory_format=layout)), task.train_targets[picked])
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip:
                nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()

    return loop


def measured(name: str, at_most_s: float) -> dict[str, Any]:
    """Compare the ways for one network."""
    arch, shape, steps = NETS[name]
    feed = PictureFeed(shape, tuple("0123456789"))
    task = noise(feed, steps * BATCH, torch.Generator().manual_seed(0))
    model = build(arch, shape, 10, seed=0)
    recipe = plan(model, task)
    ways = {
        "plain": by_hand(model, task, recipe, prepared=False, last=recipe.channels_last),
        "fit": lambda: void(fit(model, task, recipe, seed=0)),
        "prepared": by_hand(model, task, recipe, prepared=True, last=recipe.channels_last),
        "other format": by_hand(model, task, recipe, prepared=False, last=not recipe.channels_last),
        "control": by_hand(model, task, recipe, prepared=False, last=recipe.channels_last),
    }
    found = compare(ways, at_most_s=at_most_s, baselines={"fit": "prepared"})
    return {"channels_last": recipe.channels_last, "steps": steps, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/fit-speed.jsonl"))
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--seconds", type=float, default=60, help="at most, for each network")
    parser.add_argument("--run", type=int, default=1, help="number of this run; on a noisy machine one run says little")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = Rows(given.output)
    for name in given.nets:
        rows.measure({"net": name, "run": given.run}, lambda name=name: measured(name, given.seconds))  # type: ignore[misc]


if __name__ == "__main__":
    main()
