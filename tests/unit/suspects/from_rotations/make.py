"""Write the files beside this one with compressed-tensors 0.20.1: ``python make.py``. Not run by the tests.

``truth.npz`` holds the matrices before they were rotated: a layer on either side, heads, an embedding, a matrix that is kept
because it is applied to what comes in, and one that nobody keeps.
"""

import json
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.transform import TransformArgs, TransformConfig, TransformScheme, apply_transform_config
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


def scheme(kind, *applied, **more):
    given = [
        TransformArgs(targets=[target], location=where, inverse=inverse, ignore=["head"])
        for target, where, inverse in applied
    ]
    return TransformScheme(type=kind, apply=given, **more)


def main():
    torch.manual_seed(0)
    net = nn.ModuleDict({
        "embed_tokens": nn.Embedding(24, 32), "q_proj": nn.Linear(32, 16), "v_proj": nn.Linear(32, 32),
        "o_proj": nn.Linear(12, 32, bias=False), "lost_proj": nn.Linear(12, 8, bias=False), "head": nn.Linear(32, 8),
    })  # fmt: skip
    truth = {name: value.clone() for name, value in net.state_dict().items() if value.ndim == 2}
    config = TransformConfig(config_groups={
        "R1": scheme("hadamard", ("re:embed_tokens$", "weight_output", False), ("re:.*q_proj$", "weight_input", True)),
        "R2": scheme("hadamard", ("v_proj", "weight_output", False), ("v_proj", "weight_input", False), head_dim=16),
        "v": scheme("random-hadamard", ("o_proj", "weight_input", True), ("o_proj", "input", False)),
        "u": scheme("random-hadamard", ("lost_proj", "weight_output", False)),
    })  # fmt: skip
    apply_transform_config(net, config)
    save_file(
        {name: value.detach().contiguous() for name, value in net.state_dict().items()}, HERE / "model.safetensors"
    )
    said = json.loads(config.model_dump_json())
    (HERE / "config.json").write_text(
        json.dumps({"quantization_config": {"quant_method": "compressed-tensors", "transform_config": said}})
    )
    np.savez_compressed(HERE / "truth.npz", **{name: value.detach().numpy() for name, value in truth.items()})


if __name__ == "__main__":
    main()
