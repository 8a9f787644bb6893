"""Draws from torch's global generators that leave them as they were, for what takes no generator of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_CPU = torch.device("cpu")


def own_seed(seed: int) -> int:
    """Return the seed of first weights that a thief draws for himself, other than those that anybody draws from ``seed``.

    A copy that began where the owner's network began would take over more of it than its answers: trained on MNIST from the
    owner's first weights, copies read up to 141 of 200 bits of ``uchida`` (``benchmarks/results/same-start.jsonl``).
    """
    return seed ^ 0x7468696566  # "thief"


@contextmanager
def seeded(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed the global generators for a while: that of the CPU, and those of the accelerators if ``device`` is one.

    Args:
        seed: 0 to 2 ** 64 - 1.
        device: where the draws are made.
    """
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the accelerators as well
            yield
        return
    kind = torch.get_device_module(device)
    with torch.random.fork_rng(devices=range(kind.device_count()), device_type=device.type):
        torch.manual_seed(seed)
        yield
