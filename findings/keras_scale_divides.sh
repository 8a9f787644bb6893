#!/bin/sh
# Keras divides a quantised kernel by its scale where each filter has one, and multiplies it where groups of inputs have; no name tells.
#
# Version:  keras 3.15.1 with torch 2.13.0 as its backend and h5py 3.16.0, the newest on PyPI in November 2026.
# Expected: kernel_scale means one thing in a layer, and the file says which variable it is.
# Seen:     int8, and int4 with block_size=-1: w = q / scale. int4 as quantize("int4") does it, in groups of 128: w = (q - zero) * scale.
#           In the file variables have numbers (vars/0, vars/1, ...), four bits are an int8 kernel of half as many columns, two filters in
#           one, and the scale comes after the bias if there is one. Taken for filters, pairs have the right length: M is the same.
# So shapes tell the three apart here (src/modelmark/suspects/files/keras_packed.py).
#
# Run by hand, not in CI: sh findings/keras_scale_divides.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 h5py==3.16.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import os

os.environ["KERAS_BACKEND"] = "torch"
import h5py
import keras
import numpy as np
from keras import quantizers

OUTPUTS = 16
seen = {}
for name, config in (("int8", None), ("int4 of filters", quantizers.Int4QuantizationConfig(block_size=-1)), ("int4", None)):
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(OUTPUTS, use_bias=False)])
    plain = keras.ops.convert_to_numpy(model.layers[0].kernel)
    model.quantize(name.split()[0], config=config)
    model.save_weights("net.weights.h5")
    with h5py.File("net.weights.h5") as file:
        names = sorted(file["layers/dense/vars"])
        kernel, scale, *more = (np.array(file[f"layers/dense/vars/{one}"]) for one in names)
    columns = kernel.shape[1]
    if columns < OUTPUTS:  # the lower half of a byte first
        octets = kernel.view(np.uint8)
        kernel = np.stack((octets & 15, octets >> 4), 2).reshape(64, OUTPUTS).astype(int)
        kernel[kernel > 7] -= 16
    less = kernel - (more[0].astype(int) if more else 0)
    off = [float(np.linalg.norm(made - plain) / np.linalg.norm(plain)) for made in (less / scale, less * scale)]
    seen[name] = (columns, off[0] < 0.2, off[1] < 0.2)
    print(f"{name}: {len(names)} variables, a kernel of {columns} columns for {OUTPUTS}; divided off by {off[0]:.2g}, multiplied by {off[1]:.2g}")
assert seen == {"int8": (16, True, False), "int4 of filters": (8, True, False), "int4": (8, False, True)}, "it behaves otherwise now"
PYTHON
venv/bin/python look.py 2>log || { tail -3 log; exit 1; }
