#!/bin/sh
# Of a GGUF in several files only the first says what network it is; each of the others opens alone, and its queries cannot be put back.
#
# Version:  gguf 0.19.0 with numpy 2.4.6, the newest on PyPI in November 2026; llama.cpp's gguf-split names and splits so, too.
# Expected: what is needed to read a tensor is in the file that holds it: its name, its type, and of a Llama how many heads it has, as
#           converters put the rows of queries and keys into the order of their heads.
# Seen:     GGUFWriter(split_max_tensors=...) writes general.architecture and the counts of heads into the first file alone, the others say
#           their number, how many files there are and how many tensors. GGUFReader lists those tensors without a word, attn_q among
#           them. A row is another filter than the row of that number in torch, and with small_first_shard the first holds no tensor.
# So we look for the first file beside a later one, and say where it is not there (src/modelmark/suspects/files/gguf.py).
#
# Run by hand, not in CI: sh findings/gguf_split_heads.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gguf==0.19.0 numpy==2.4.6
cd "$folder"
cat >look.py <<'PYTHON'
import glob

import gguf
import numpy as np

writer = gguf.GGUFWriter("net.gguf", "llama", split_max_tensors=2, small_first_shard=True)
writer.add_head_count(4)
writer.add_head_count_kv(4)
for layer in range(2):
    for part in ("q", "k"):
        writer.add_tensor(f"blk.{layer}.attn_{part}.weight", np.ones((64, 64), np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
seen = []
for name in sorted(glob.glob("*.gguf")):
    reader = gguf.GGUFReader(name)
    fields = [field for field in reader.fields if not field.startswith("GGUF.")]
    print(name, [tensor.name for tensor in reader.tensors], fields)
    seen.append((len(reader.tensors), "general.architecture" in fields, "llama.attention.head_count" in fields))
assert seen == [(0, True, True), (2, False, False), (2, False, False)], "it behaves otherwise now"
PYTHON
venv/bin/python look.py
