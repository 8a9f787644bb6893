#!/bin/sh
# torch 2.13.0 joins the shards of a distributed checkpoint that are there into a whole-looking model, without a word about one that is not.
#
# Version:  torch 2.13.0 with safetensors 0.8.0, the newest on PyPI in November 2026.
# Expected: consolidate_safetensors_files refuses a folder from which a process's file is missing, as dcp.load does for a tensor of
#           the right size ("Size mismatch"), or the shards say how many there are.
# Seen:     HuggingFaceStorageWriter(save_distributed=True) on two processes writes shard-00001-model-00001-of-00001 and
#           shard-00002-model-00001-of-00001: both "of 00001". Without the second, a matrix of 5 rows comes out as one of 3, under its
#           name, in model-00001-of-00001.safetensors with an index beside it. A mean over rows is then one over some of the filters.
# So we say of each file alone that it is a shard of one process, and put shards together by their beginnings
# (src/modelmark/suspects/files/sliced.py); a last shard that is missing cannot be seen by anybody.
#
# Run by hand, not in CI: sh findings/torch_consolidate_missing_shard.sh. It installs into a temporary folder and fails if any
# of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import os
import warnings

import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import load_file
from torch import distributed, multiprocessing
from torch.distributed.checkpoint._consolidate_hf_safetensors import consolidate_safetensors_files
from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

warnings.simplefilter("ignore")


def write(rank, count):
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT="29517")
    distributed.init_process_group("gloo", rank=rank, world_size=count)
    cut = {"w": distribute_tensor(torch.ones(5, 8), init_device_mesh("cpu", (count,)), [Shard(0)])}
    dcp.save(cut, storage_writer=dcp.HuggingFaceStorageWriter("shards", save_distributed=True))
    distributed.destroy_process_group()


if __name__ == "__main__":
    multiprocessing.spawn(write, args=(2,), nprocs=2)
    print("written:", sorted(name for name in os.listdir("shards") if name.endswith("safetensors")))
    os.remove("shards/shard-00002-model-00001-of-00001.safetensors")
    os.makedirs("joined")
    consolidate_safetensors_files("shards", "joined", {"w": 1})
    print("joined:", tuple(load_file("joined/model-00001-of-00001.safetensors")["w"].shape))
PYTHON
venv/bin/python look.py 2>/dev/null | tee seen
grep -q "shard-00002-model-00001-of-00001.safetensors" seen || { echo "shards are called otherwise now"; exit 1; }
grep -q "joined: (3, 8)" seen || { echo "it behaves otherwise now"; exit 1; }
