#!/bin/sh
# gguf 0.19.0 takes sixty times the size of a file in memory to say what tensors are in it, if it has a vocabulary.
#
# Version:  gguf 0.19.0 with numpy 2.4.6, the newest on PyPI in November 2026.
# Expected: GGUFReader maps the file, so that its list of tensors costs about the header.
# Seen:     it makes several objects of every word and every score: 128,000 words, 2.6 MB, took 251 MB and 17 seconds here.
# So we read the header ourselves (src/modelmark/suspects/files/gguf.py) and leave the unpacking of blocks to the library.
#
# Run by hand, not in CI: sh findings/gguf_reader_vocabulary.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gguf==0.19.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/vocabulary.gguf" <<'PYTHON'
import os
import resource
import sys

import gguf
import numpy as np

path = sys.argv[1]
writer = gguf.GGUFWriter(path, "llama")
writer.add_token_list([f"word {number}" for number in range(64_000)])
writer.add_token_scores([0.0] * 64_000)
writer.add_tensor("blk.0.attn_q.weight", np.zeros((64, 64), np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
child = os.fork()  # what the reader alone takes
if child == 0:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = gguf.GGUFReader(path)
    taken = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    size = os.path.getsize(path)
    print(f"{[tensor.name for tensor in reader.tensors]}: a file of {size / 1e6:.1f} MB, {taken / 1e6:.0f} MB in memory to list it")
    os._exit(0 if taken > 30 * size else 1)
_, status = os.waitpid(child, 0)
assert status == 0, "it behaves otherwise now"
PYTHON
