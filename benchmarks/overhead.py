"""What a step costs with a mark, against the same loop without: CPU time, interleaved, medians, with a control beside.

Run: ``python benchmarks/overhead.py -o benchmarks/results/overhead.jsonl`` (a few minutes; wants a quiet machine), with
``--what schemes --run N`` for every scheme on resnet8 alone. Schemes that append k samples to a batch of B are compared with
a plain step of B + k samples. Control: the unmarked step against itself; measuring goes on until it is within 0.5 %, or says
that it never was. With ``--device cuda -o FILE`` the same by the clock, on a GPU.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from _study import Rows
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.marks.keys import keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.uchida import Uchida
from modelmark.training.hooks import Hooks
from modelmark.training.loop import fit
from modelmark.training.recipe import constant
from modelmark.training.task import Task

NETS = {"lenet5": (1, 28, 28), "resnet8": (3, 32, 32), "wrn-10-4": (3, 32, 32)}
BATCH = 100
SCHEMES: dict[str, Any] = {
    "uchida": Uchida(),
    "deepsigns": DeepSigns(),
    "adi": Adi(),
    "deepsigns-blackbox": DeepSignsBlackBox(pool=2, share=0.99),  # which pictures are kept costs no step
    "coupled": Coupled(),
    "null": NullEmbedding(),
}
MASK_EVERY = 10
"""Steps between two maskings of ``coupled``: a median over single steps would not see them."""
WHAT = ("help", "fit", "step", "schemes")
Step = Callable[[], None]


def stepper(model: nn.Module, hooks: Hooks, x: Tensor, y: Tensor) -> Step:
    """Return one training step of the loop in the documentation."""
    groups = [{"params": model.parameters()}, *hooks.param_groups()]
    optimizer = torch.optim.SGD(groups, lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def step() -> None:
        inputs, targets = hooks.batch(x, y)
        scores = model(inputs)
        loss = hooks.loss(cross_entropy(scores, targets), model, x, y, scores)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        hooks.after_step(model)

    return step


def spent(step: Step, repeats: int, device: str) -> float:
    """Return the seconds of one step: of the processor, or by the clock where an accelerator does the work."""
    if device == "cpu":
        started = time.process_time()
        for _ in range(repeats):
            step()
        return (time.process_time() - started) / repeats
    wait = torch.get_device_module(device).synchronize
    wait()
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    return (time.perf_counter() - started) / repeats


def compare(
    steps: dict[str, Step],
    *,
    at_most_s: float,
    baselines: Mapping[str, str] | None = None,
    at_least: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Time every step in turn, again and again, until the two controls agree; return medians in milliseconds and ratios.

    Args:
        steps: ``plain`` and ``control`` among them.
        at_most_s: seconds to go on for.
        baselines: what each step is compared with, ``plain`` where left out; ``total`` is then the ratio to ``plain``.
        at_least: steps in a row of each in a round.
        device: where the steps compute.
    """
    for step in steps.values():
        spent(step, 3, device)
    repeats = max(int(0.1 / max(spent(next(iter(steps.values())), 3, device), 1e-4)), at_least)
    times: dict[str, list[float]] = {name: [] for name in steps}
    deadline, order = time.monotonic() + at_most_s, list(steps)
    while time.monotonic() < deadline:
        for name in order:
            times[name].append(spent(steps[name], repeats, device))
        order = order[1:] + order[:1]
        rounds = len(times["plain"])
        control = statistics.median(a / b for a, b in zip(times["control"], times["plain"], strict=True))
        if rounds >= 60 and abs(control - 1) <= 0.005:
            break
    result: dict[str, Any] = {"rounds": rounds, "steps_a_round": repeats, "control": round(control, 4)}
    for name, values in times.items():
        against = (baselines or {}).get(name, "plain")
        result[name] = {
            "ms": round(1000 * statistics.median(values), 3),
            "ratio": round(statistics.median(a / b for a, b in zip(values, times[against], strict=True)), 4),
            "extra_ms": round(1000 * statistics.median(a - b for a, b in zip(values, times[against], strict=True)), 3),
        }
        if against != "plain":
            total = statistics.median(a / b for a, b in zip(values, times["plain"], strict=True))
            result[name] |= {"against": against, "total": round(total, 4)}
    return result


def step_overhead(
    name: str, schemes: Iterable[str], at_most_s: float, *, at_least: int = 1, device: str = "cpu"
) -> dict[str, Any]:
    """Compare the step of each scheme, on a network of its own, with a plain one that is given as many samples."""
    feed = PictureFeed(NETS[name], tuple("0123456789"))
    layout = torch.channels_last if len(NETS[name]) == 3 and NETS[name][0] == 3 else torch.contiguous_format
    model = build(name, feed.input_shape, 10, seed=0).to(device=device, memory_format=layout)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(0)

    def data(count: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(count, *feed.input_shape, generator=generator).contiguous(memory_format=layout)
        return x.to(device), torch.randint(10, (count,), generator=generator).to(device)

    def plain(count: int) -> Step:
        return stepper(copy.deepcopy(model), Hooks(), *data(count))

    task, (x, y) = noise(feed, 1000, generator), data(BATCH)
    steps = {"plain": plain(BATCH), "control": plain(BATCH)}
    baselines = {}
    for scheme in schemes:
        own = copy.deepcopy(model)
        hooks = keygen(SCHEMES[scheme], own, feed, task=task).mark().hooks(own).to(device)
        added = len(hooks.batch(x, y)[0]) - BATCH
        steps[scheme] = stepper(own, hooks, x, y)
        if added:
            baselines[scheme] = f"plain + {added}"
            steps.setdefault(baselines[scheme], plain(BATCH + added))
    return compare(steps, at_most_s=at_most_s, baselines=baselines, at_least=at_least, device=device)


def noise(feed: PictureFeed, count: int, generator: torch.Generator) -> Task:
    """Return random pictures with random labels."""
    images = torch.randint(256, (count, *feed.input_shape), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (count,), generator=generator)
    return Task(feed, images, labels, images[:10], labels[:10])


def loop_overhead(at_most_s: float) -> dict[str, Any]:
    """Compare ``fit`` with a bare loop written by hand over the same data, both from the same start."""
    feed = PictureFeed((1, 28, 28), tuple("0123456789"), (1307,), (3081,))
    task = noise(feed, 6400, torch.Generator().manual_seed(0))
    images, labels = task.train_inputs, task.train_targets
    recipe = constant(1, 1e-3, batch=128)
    model = build("lenet5", (1, 28, 28), 10, seed=0)

    def bare() -> None:
        trained = build("lenet5", (1, 28, 28), 10, seed=0).train()
        normalise = Normalise(feed)
        optimizer = torch.optim.SGD(trained.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)
        order = torch.randperm(6400, generator=torch.Generator().manual_seed(0))
        for picked in order.split(128):
            loss = cross_entropy(trained(normalise(images[picked])), labels[picked])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return compare(
        {"plain": bare, "fit": lambda: void(fit(model, task, recipe, seed=0)), "control": bare}, at_most_s=at_most_s
    )


def void(_: object) -> None:
    """Drop a result."""


def help_seconds() -> dict[str, Any]:
    """Measure the CPU seconds of ``modelmark --help`` as a process of its own, median of 11."""
    import resource

    times = []
    for _ in range(11):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "modelmark", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"median_cpu_s": round(statistics.median(times), 3), "max_cpu_s": round(max(times), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/overhead.jsonl"))
    parser.add_argument("--seconds", type=float, default=120, help="at most, for each comparison")
    parser.add_argument("--run", type=int, default=1, help="number of this run; on a noisy machine one run says little")
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT[:3])
    parser.add_argument("--device", default="cpu", help="cuda: by the clock; for step and schemes only")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, run, seconds, device = Rows(given.output), given.run, given.seconds, given.device
    where = {} if device == "cpu" else {"device": torch.get_device_module(device).get_device_name()}
    if "help" in given.what:
        rows.measure({"what": "help", "run": run}, help_seconds)
    if "fit" in given.what:
        rows.measure({"what": "fit against a bare loop", "run": run}, lambda: loop_overhead(seconds))
    for name in NETS if "step" in given.what else ():
        rows.measure(
            {"what": "step", "net": name, "batch": BATCH, "run": run, **where},
            lambda name=name: step_overhead(name, ("uchida", "adi"), seconds, device=device),
        )
    if "schemes" in given.what:
        rows.measure(
            {"net": "resnet8", "what": "schemes", "run": run, **where},
            lambda: step_overhead("resnet8", SCHEMES, seconds, at_least=MASK_EVERY, device=device),
        )


if __name__ == "__main__":
    main()
