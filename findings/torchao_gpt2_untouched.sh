#!/bin/sh
# A GPT-2 that transformers loads "in 8 bits" by torchao keeps every weight as it was; nothing is said, and the folder is labelled.
#
# Version:  torchao 0.18.0 with transformers 5.24.0 and torch 2.13.0 on a CPU, the newest on PyPI in November 2026.
# Expected: the matrices of a model loaded with TorchAoConfig(Int8WeightOnlyConfig) are integers, or a warning says that none is.
# Seen:     torchao takes nn.Linear alone, and GPT-2's layers are Conv1D: no weight is an Int8Tensor, no warning is given, the saved
#           file is as large as before, and its config.json says quant_method torchao. A Llama of the same sizes, of nn.Linear,
#           has fourteen Int8Tensors and a file of 0.56 of the size.
# So what a folder's config.json says of quantisation is no proof that anything was quantised: a mark is read from what the
# tensors are (src/modelmark/suspects/files/quantisers/undoing.py).
#
# Run by hand, not in CI: sh findings/torchao_gpt2_untouched.sh. It installs into a temporary folder and fails if any of
# this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.24.0 accelerate==1.15.0 torchao==0.18.0 safetensors==0.8.0 \
    numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import json
import logging
import os
import warnings

import torch
from torchao.quantization import Int8WeightOnlyConfig
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, TorchAoConfig

ids = {"vocab_size": 64, "bos_token_id": 0, "eos_token_id": 0}
NETS = {
    "gpt2": GPT2LMHeadModel(GPT2Config(n_embd=128, n_layer=2, n_head=4, n_positions=32, **ids)),
    "llama": LlamaForCausalLM(LlamaConfig(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, **ids)),
}


class Said(logging.Handler):
    lines = []

    def emit(self, record):
        if record.levelno >= logging.WARNING:
            self.lines.append(record.getMessage())


logging.getLogger("transformers").addHandler(Said())
for name, net in NETS.items():
    net.to(torch.bfloat16).save_pretrained(f"{name}-plain")
    Said.lines.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model = AutoModelForCausalLM.from_pretrained(
            f"{name}-plain", quantization_config=TorchAoConfig(Int8WeightOnlyConfig(version=2)), dtype=torch.bfloat16
        )
        model.save_pretrained(f"{name}-int8")
    told = [line for line in [*Said.lines, *(str(one.message) for one in warned)] if "quanti" in line and name in line.lower()]
    packed = sum("Int8" in type(weight).__name__ for weight in model.parameters())
    before, after = (os.path.getsize(f"{name}-{kind}/model.safetensors") for kind in ("plain", "int8"))
    method = json.load(open(f"{name}-int8/config.json"))["quantization_config"]["quant_method"]
    print(f"{name}: {packed} of int8, {len(told)} warnings, {after / before:.2f} of the size, {method}")
PYTHON
venv/bin/python look.py 2>/dev/null | tee seen
grep -q "gpt2: 0 of int8, 0 warnings, 1.0. of the size, torchao" seen || { echo "GPT-2 is quantised now, or it is said"; exit 1; }
grep -q "llama: 14 of int8" seen || { echo "a Llama is no longer quantised so"; exit 1; }
