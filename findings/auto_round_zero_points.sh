#!/bin/sh
# auto-round writes GPTQ's tensors by two rules for zero points, less one and as they are; only a word of its own tells which.
#
# Version:  auto-round 0.16.1 with transformers 5.24.0 and torch 2.13.0 on a CPU, the newest on PyPI in November 2026.
# Expected: qweight, qzeros and scales of one tool mean one thing, or checkpoint_format tells, as GPTQModel's version 2 has it.
# Seen:     the same network in the same bits has 0x77777777 for zero points of 8 with packing_format auto_round:auto_gptq and 0x88888888
#           with auto_round:gptqmodel; qweight and scales are equal, and of the configuration that word alone differs. For 2 and 3 bits
#           with zero points its default is a third word, auto_round, of the second rule. A reader that takes it for GPTQ's first version
#           is one step off in every weight: 0.3 of the norm in 4 bits.
# So the word decides here (src/modelmark/suspects/files/quantisers/gptq.py).
#
# Run by hand, not in CI: sh findings/auto_round_zero_points.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet auto-round==0.16.1 torch==2.13.0 transformers==5.24.0 tokenizers==0.23.3 safetensors==0.8.0 \
    numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import glob
import json

import torch
from auto_round import AutoRound
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.manual_seed(0)
words = Tokenizer(models.WordLevel({f"w{number}": number for number in range(64)}, unk_token="w0"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
LlamaForCausalLM(LlamaConfig(
    vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4, bos_token_id=0, eos_token_id=0
)).half().save_pretrained("plain")
tokenizer.save_pretrained("plain")


def written(folder, packing, **how):
    model = LlamaForCausalLM.from_pretrained("plain")
    made = AutoRound(model, tokenizer, group_size=32, iters=0, disable_opt_rtn=True, device_map="cpu", **how)
    made.quantize_and_save(folder, format=packing)
    (config,) = glob.glob(f"{folder}/**/config.json", recursive=True)
    (weights,) = glob.glob(f"{folder}/**/*.safetensors", recursive=True)
    said = json.load(open(config))["quantization_config"]
    return said["packing_format"], {name: value for name, value in load_file(weights).items() if "q_proj" in name}, said


one, its, said = written("one", "auto_round", bits=4, sym=True)
other, theirs, says = written("other", "auto_round:gptqmodel", bits=4, sym=True)
usual, _, _ = written("usual", "auto_round", bits=2, sym=False)
stem = "model.layers.0.self_attn.q_proj."
zeros = [int(state[f"{stem}qzeros"].flatten()[0]) & 0xFFFFFFFF for state in (its, theirs)]
same = [torch.equal(its[stem + part], theirs[stem + part]) for part in ("qweight", "scales")]
differ = [name for name in {*said, *says} if said.get(name) != says.get(name)]
print(f"RESULT {one}: {zeros[0]:#x}; {other}: {zeros[1]:#x}; the rest equal: {all(same)}; words that differ: {differ}; 2 bits: {usual}")
assert (one, other, usual) == ("auto_round:auto_gptq", "auto_round:gptqmodel", "auto_round"), "packings are called otherwise now"
assert zeros == [0x77777777, 0x88888888] and all(same) and differ == ["packing_format"], "zero points are stored otherwise now"
PYTHON
venv/bin/python look.py >log 2>&1 || { tail -3 log; exit 1; }
grep RESULT log
