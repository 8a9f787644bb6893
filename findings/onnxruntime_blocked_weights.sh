#!/bin/sh
# onnxruntime 1.32.0 writes an optimised model whose weights lie in blocks of the processor that wrote it, and does not say which.
#
# Version:  onnxruntime 1.32.0 with onnx 1.23.2, the newest on PyPI in November 2026; run on processors with AVX2 and with AVX512.
# Expected: an initializer that a Conv takes holds output, input, row, column, as the operator says; 20 filters stay 20; and the file
#           is the same whichever processor wrote it, or tells.
# Seen:     at the default level of optimisation optimized_model_filepath gets a Conv of the domain com.microsoft.nchwc. Weights of
#           dims [16, 16, 3, 3] keep their dims and have their numbers in another order: blocks of 8 channels where a processor has
#           AVX2, of 16 where it has AVX512. 20 filters become 24 or 32, filled up with zeros. Only the domain tells that something
#           was done, and nothing tells the size of the blocks. Read as it says, a mark is chance.
# So we put the blocks back in a row and take off what fills them (src/modelmark/suspects/files/blocked.py): by sizes where only
# one fits, else under the layout in which filters, inputs and places of the kernel differ most.
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


def optimised(weight):
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, 8, 8])
        for name, count in (("x", weight.shape[1]), ("y", weight.shape[0]))
    ]
    graph = helper.make_graph([conv], "g", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = "o.onnx", 3
    onnxruntime.InferenceSession("m.onnx", options, providers=["CPUExecutionProvider"])
    made = onnx.load("o.onnx").graph
    (node,) = (one for one in made.node if one.op_type == "Conv")
    (found,) = (numpy_helper.to_array(one) for one in made.initializer if one.name == node.input[1])
    return node.domain, found


def in_blocks(weight, size):
    full = np.pad(weight, ((0, -len(weight) % size), (0, 0), (0, 0), (0, 0)))
    blocks = full.reshape(len(full) // size, size, full.shape[1] // size, size, 3, 3)
    return blocks.transpose(0, 2, 4, 5, 3, 1).reshape(full.shape)


random = np.random.default_rng(0)
for count in (16, 20):
    weight = random.standard_normal((count, 16, 3, 3)).astype(np.float32)
    domain, found = optimised(weight)
    sizes = [size for size in (8, 16) if np.array_equal(found, in_blocks(weight, size))]
    print("filters:", count, "domain:", domain, "dims:", found.shape, "as given:", np.array_equal(found, weight), "in blocks of:", sizes)
    assert domain == "com.microsoft.nchwc" and not np.array_equal(found, weight), "it behaves otherwise now"
    assert len(sizes) == 1 and len(found) == -(-count // sizes[0]) * sizes[0], "it behaves otherwise now"
PYTHON
