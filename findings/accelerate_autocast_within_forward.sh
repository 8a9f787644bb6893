#!/bin/sh
# accelerate 1.15.0 puts autocast within a prepared model's forward, so that a caller who turns it off around a pass gets halves inside.
#
# Version:  accelerate 1.15.0 with torch 2.13.0, the newest on PyPI in November 2026.
# Expected: under torch.autocast(..., enabled=False) a model computes in the type of its weights, as torch says of nested regions.
# Seen:     Accelerator(mixed_precision="bf16").prepare(model) replaces model.forward; the region within it is the inner one and wins.
#           What comes out is float32 again (outputs are converted), what a hook on a layer sees is bfloat16. Nor does eval() change it.
# So we take what layers receive as halves wherever it comes from, and make it float32 ourselves (src/modelmark/schemes/_centres.py);
# transformers' Trainer prepares models so when bf16 is set.
#
# Run by hand, not in CI: sh findings/accelerate_autocast_within_forward.sh. It installs into a temporary folder and fails if any
# of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import torch
from accelerate import Accelerator
from torch import nn


def pass_through(prepare):
    model, seen = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), []
    model[1].register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    if prepare:
        model = Accelerator(cpu=True, mixed_precision="bf16").prepare(model)
    with torch.autocast("cpu", enabled=False):
        found = model.eval()(torch.zeros(2, 4))
    return seen[0], found.dtype


prepared, plain = pass_through(True), pass_through(False)
print(f"plain: inside {plain[0]}, out {plain[1]}; prepared: inside {prepared[0]}, out {prepared[1]}")
assert plain == (torch.float32, torch.float32)
assert prepared == (torch.bfloat16, torch.float32)
PYTHON
"$folder/venv/bin/python" look.py
