#!/bin/sh
# safetensors 0.8.0 writes a transposed NumPy array with the shape of the transpose and the numbers of the original, without a word.
#
# Version:  safetensors 0.8.0 with numpy 2.4.6, the newest on PyPI in November 2026; 0.7.0 wrote it right.
# Expected: what save_file is given is what load_file gives back, or a refusal, as the torch half of the library refuses such a tensor.
# Seen:     the array comes back with its shape and other values, as does one in Fortran's order and one with a step: its memory is
#           written as it lies. A mark in such a layer reads as chance, as does everything else in it.
# So we make arrays contiguous before they are written (src/modelmark/marks/keyfile.py), and docs/formats.md names the writer.
#
# Run by hand, not in CI: sh findings/safetensors_numpy_order.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import numpy as np
from safetensors.numpy import load, save

kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
back = load(save({"turned": kernel.T, "columns": np.asfortranarray(kernel), "plain": kernel}))
same = {name: bool(np.array_equal(back[name], given)) for name, given in (("turned", kernel.T), ("columns", kernel), ("plain", kernel))}
print("given:", kernel.T.tolist(), "back:", back["turned"].tolist(), same)
PYTHON
venv/bin/python look.py | tee new
grep -q "{'turned': False, 'columns': False, 'plain': True}" new || { echo "it behaves otherwise now"; exit 1; }
venv/bin/pip install --quiet safetensors==0.7.0
venv/bin/python look.py | tee old
grep -q "{'turned': True, 'columns': True, 'plain': True}" old || { echo "0.7.0 behaves otherwise"; exit 1; }
