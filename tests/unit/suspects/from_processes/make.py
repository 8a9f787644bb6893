"""Make the folders beside this one with two processes of torch 2.13.0: ``python make.py``. Not run by the tests."""

import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed.checkpoint as dcp
from torch import distributed, multiprocessing
from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh

HERE = Path(__file__).parent
CUTS = {"rows": Shard(0), "columns": Shard(1), "bias": Replicate(), "halves": Shard(1)}


def tensors():
    torch.manual_seed(0)
    return {
        "rows": torch.randn(5, 8),
        "columns": torch.randn(4, 6, 3),
        "bias": torch.randn(7),
        "halves": torch.randn(6, 4).bfloat16(),
    }


def write(rank, count):
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT="29511")
    distributed.init_process_group("gloo", rank=rank, world_size=count)
    mesh = init_device_mesh("cpu", (count,))
    cut = {name: distribute_tensor(value, mesh, [CUTS[name]]) for name, value in tensors().items()}
    moments = {"rows": distribute_tensor(torch.ones(5, 8), mesh, [Shard(0)])}
    dcp.save({"model": cut, "optim": moments, "step": 3}, checkpoint_id=HERE / "distcp")
    dcp.save(cut, storage_writer=dcp.HuggingFaceStorageWriter(str(HERE / "safetensors"), save_distributed=True))
    distributed.destroy_process_group()


if __name__ == "__main__":
    np.savez(HERE / "truth.npz", **{name: value.float().numpy() for name, value in tensors().items()})
    multiprocessing.spawn(write, args=(2,), nprocs=2)
