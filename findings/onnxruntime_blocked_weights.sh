#!/bin/sh
# onnxruntime 1.32.0 writes an optimised model whose weights are declared in the usual order and lie in blocks.
#
# Version:  onnxruntime 1.32.0 with onnx 1.23.2, the newest on PyPI in November 2026; on processors with AVX2, in blocks of 8 channels.
# Expected: an initializer of dims [16, 16, 3, 3] that a Conv takes holds output, input, row, column, as the operator says, or has
#           other dims.
# Seen:     at the default level of optimisation optimized_model_filepath gets a Conv of the domain com.microsoft.nchwc with dims
#           [16, 16, 3, 3] and the numbers in another order: only the domain tells. Read as it says, a mark is chance.
# So we put the blocks back in a row where a node has that domain (src/modelmark/suspects/files/onnx.py).
#
# Run by hand, not in CI: sh findings/onnxruntime_blocked_weights.sh. It installs into a temporary folder and fails if this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

weight = np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype(np.float32)
conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16, 8, 8]) for name in ("x", "y")]
graph = helper.make_graph([conv], "g", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
options = onnxruntime.SessionOptions()
options.optimized_model_filepath, options.log_severity_level = "o.onnx", 3
onnxruntime.InferenceSession("m.onnx", options, providers=["CPUExecutionProvider"])
made = onnx.load("o.onnx").graph
(node,) = (one for one in made.node if one.op_type == "Conv")
(found,) = (numpy_helper.to_array(one) for one in made.initializer if one.name == node.input[1])
blocked = weight.reshape(2, 8, 2, 8, 3, 3).transpose(0, 2, 4, 5, 3, 1).reshape(weight.shape)
print("domain:", node.domain, "dims:", found.shape, "as given:", np.array_equal(found, weight), "in blocks:", np.array_equal(found, blocked))
assert node.domain == "com.microsoft.nchwc" and found.shape == weight.shape, "it behaves otherwise now"
assert np.array_equal(found, blocked) and not np.array_equal(found, weight), "it behaves otherwise now, or the processor has other blocks"
PYTHON
