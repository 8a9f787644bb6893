#!/bin/sh
# MLX's weights of a first convolution fit torch's by name and shape, and are other filters; nothing in the file tells.
#
# Version:  mlx 0.32.4 on a CPU with safetensors 0.8.0 and torch 2.13.0, the newest on PyPI in November 2026.
# Expected: kernels that lie otherwise than torch's have another name or shape, or the file says who wrote it, as mlx-lm's do.
# Seen:     save_weights writes conv.weight as (filters, height, width, inputs) and "__metadata__":null, where others write a mapping or
#           leave it out. A kernel of 3 x 3 over three colours is (16, 3, 3, 3) in either: load_state_dict is strict and content, and
#           the answers are off by more than half of their norm. With other inputs the shape differs, and M, inputs times kernel, does not.
# So that null and the word mlx turn kernels here (src/modelmark/suspects/files/safetensors.py): read as they lie, a mark is chance.
#
# Run by hand, not in CI: sh findings/mlx_kernels_fit_torch.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlx[cpu]==0.32.4' torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import mlx.core as mx
import numpy as np
import torch
from mlx import nn as of_mlx
from safetensors.torch import load_file

mx.random.seed(0)
torch.manual_seed(0)


class Net(of_mlx.Module):
    def __init__(self):
        super().__init__()
        self.conv = of_mlx.Conv2d(3, 16, 3)


ours, theirs = torch.nn.ModuleDict({"conv": torch.nn.Conv2d(3, 16, 3)}), Net()
theirs.save_weights("net.safetensors")
ours.load_state_dict(load_file("net.safetensors"))
picture = torch.rand(1, 3, 8, 8)
expected = np.moveaxis(np.array(theirs.conv(mx.array(picture.movedim(1, -1).contiguous().numpy()))), -1, 1)
wrong = ours["conv"](picture).detach().numpy()
ours["conv"].weight.data = ours["conv"].weight.data.permute(0, 3, 1, 2).contiguous()
right = ours["conv"](picture).detach().numpy()
off = [float(np.linalg.norm(found - expected) / np.linalg.norm(expected)) for found in (wrong, right)]
raw = open("net.safetensors", "rb").read()
says_nothing = b'"__metadata__":null' in raw[8 : 8 + int.from_bytes(raw[:8], "little")]
print(f"null: {says_nothing}; off by {off[0]:.1f} as loaded, by {off[1]:.1f} turned")
assert says_nothing, "it says something of itself now"
assert off[0] > 0.5 and off[1] < 1e-4, "kernels lie otherwise now"
PYTHON
venv/bin/python look.py
