"""Two processes on this machine that talk by gloo; each runs a function of a module that tests can import."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing

COUNT = 2
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
multiprocessing.set_forkserver_preload(
    ["torch.distributed.fsdp", "torch.distributed.tensor.debug", "torch._dynamo", "modelmark.marks.keys"]
)
"""What a server imports once, and not each process of each run."""


def run(work: Callable[[int], Any], folder: Path, count: int = COUNT) -> list[Any]:
    """Return what ``work(rank)`` returned in each of ``count`` processes, all in one group.

    Args:
        work: of a module below ``tests``, importable there; what it returns goes through ``torch.save``.
        folder: where results are kept.
        count: processes.
    """
    multiprocessing.start_processes(_one, args=(work, str(folder), count), nprocs=count, start_method=METHOD)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


def _one(rank: int, work: Callable[[int], Any], folder: str, count: int) -> None:
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count))
    os.environ.update(
        MASTER_ADDR="localhost", MASTER_PORT="0"
    )  # accelerate looks that they are there; they meet at a file
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    try:
        torch.save(work(rank), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()
