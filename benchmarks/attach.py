"""What a step costs with a mark attached to the optimiser, on a network of 30 million weights: CPU seconds against a plain one.

Run: ``python benchmarks/attach.py -o benchmarks/results/attach.jsonl``, with ``--what alone`` (plain, attached, today's hooks) or
``--what pieces`` (two processes with FSDP2). Steps of each kind take turns, and the ratio of one round is between neighbours;
given are the median of all rounds and its quartiles, beside those of the plain step against itself. A shared machine moves such
ratios by some percent, and the mark costs less; so the CPU seconds within the hook are counted, too: ``within`` is their share.
"""

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.functional import cross_entropy

from _study import Rows
from modelmark.feeds.causal import CausalFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.networks.outputs import scores
from modelmark.schemes.uchida import Uchida

WIDTH, DEPTH, VOCABULARY, LENGTH, BATCH = 512, 8, 8192, 128, 4
PROCESSES = 2
Step = Callable[[], None]


class Net(nn.Module):
    """A causal transformer: 29.4 million weights, its head tied to its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 8, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(DEPTH)
        )
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Return scores ``(N, L, vocabulary)``."""
        x = self.tokens(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return self.head(x)  # type: ignore[no-any-return]


def built() -> tuple[Net, Mark]:
    torch.manual_seed(0)
    model = Net()
    scheme = Uchida(layer=f"blocks.{DEPTH // 2}.linear2")  # M = 2,048, a million weights
    return model, keygen(scheme, model, CausalFeed((LENGTH,), vocabulary=VOCABULARY), secret=Secret(bytes(32))).mark()


class Clock:
    """CPU seconds within a function, all its calls together."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.spent = function, 0.0

    def __call__(self, *given: Any) -> Any:
        """Call it."""
        started = time.process_time()
        try:
            return self.function(*given)
        finally:
            self.spent += time.process_time() - started


def stepper(
    model: nn.Module, loss_of: Callable[[Tensor, Tensor, Tensor], Tensor], optimizer: Any, rank: int = 0
) -> Step:
    """Return a training step on tokens of its own."""
    generator = torch.Generator().manual_seed(rank)
    rows = torch.randint(VOCABULARY, (BATCH, LENGTH + 1), generator=generator)
    x, y = rows[:, :-1], rows[:, 1:].contiguous()

    def step() -> None:
        loss_of(scores(model(x)), x, y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def plain_loss(found: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(found, y)


def measured(steps: dict[str, Step], rounds: int, hook: Clock) -> dict[str, Any]:
    """Time the steps in turn; return medians in milliseconds, and ratios to the plain step of the same round."""
    for step in steps.values():
        step()
    hook.spent, times = 0.0, {name: [] for name in steps}
    order = list(steps)
    for _ in range(rounds):
        for name in order:
            started = time.process_time()
            steps[name]()
            times[name].append(time.process_time() - started)
        order = order[1:] + order[:1]
    plain = statistics.median(times["plain"])
    found: dict[str, Any] = {"rounds": rounds, "plain_ms": round(1000 * plain, 1)}
    for name in (name for name in steps if name != "plain"):
        ratios = [a / b for a, b in zip(times[name], times["plain"], strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        found[name] = {"ratio": round(median, 4), "quartiles": [round(low, 4), round(high, 4)]}
    within = hook.spent / rounds
    return found | {"within_ms": round(1000 * within, 3), "within": round(1 + within / plain, 5)}


def clocked(mark: Mark, optimizer: torch.optim.Optimizer, model: nn.Module) -> Clock:
    """Attach a mark, with a clock around its hook."""
    mark.attach(optimizer, model)
    (number, hook), *_ = optimizer._optimizer_step_pre_hooks.items()
    clock = Clock(hook)
    optimizer._optimizer_step_pre_hooks[number] = clock
    return clock


def alone(rounds: int) -> dict[str, Any]:
    """Measure one process: plain, plain again, attached, and the term in the loss."""
    model, mark = built()
    steps: dict[str, Step] = {}
    for name in ("plain", "control"):
        own = copy.deepcopy(model)
        steps[name] = stepper(own, plain_loss, torch.optim.AdamW(own.parameters(), lr=1e-4))
    attached, hooked = copy.deepcopy(model), copy.deepcopy(model)
    optimizer = torch.optim.AdamW(attached.parameters(), lr=1e-4)
    clock = clocked(mark, optimizer, attached)
    steps["attached"] = stepper(attached, plain_loss, optimizer)
    hooks = mark.hooks(hooked)

    def with_term(found: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return hooks.loss(cross_entropy(found, y), hooked, x, y, found)

    steps["hooks"] = stepper(hooked, with_term, torch.optim.AdamW(hooked.parameters(), lr=1e-4))
    weights = sum(parameter.numel() for parameter in model.parameters())
    return {"weights": weights, "tokens": BATCH * LENGTH, **measured(steps, rounds, clock)}


def in_pieces(rank: int, folder: str, rounds: int) -> None:
    """Measure one of two processes that train in pieces."""
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    steps: dict[str, Step] = {}
    for name in ("plain", "control", "attached"):
        model, mark = built()
        for block in model.blocks:
            fully_shard(block)
        fully_shard(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        if name == "attached":
            clock = clocked(mark, optimizer, model)
        steps[name] = stepper(model, plain_loss, optimizer, rank)
    found = measured(steps, rounds, clock)
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def pieces(rounds: int) -> dict[str, Any]:
    """Measure two processes."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(in_pieces, args=(folder, rounds), nprocs=PROCESSES)
        found = [torch.load(f"{folder}/{rank}.pt", weights_only=True) for rank in range(PROCESSES)]
    return {f"process {rank}": each for rank, each in enumerate(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/attach.jsonl"))
    parser.add_argument("--what", nargs="+", choices=("alone", "pieces"), default=("alone", "pieces"))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--run", type=int, default=1, help="number of this run")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    rows = Rows(given.output)
    for name, work in (("alone", alone), ("pieces", pieces)):
        if name in given.what:
            rows.measure({"what": name, "run": given.run}, lambda work=work: work(given.rounds))


if __name__ == "__main__":
    main()
