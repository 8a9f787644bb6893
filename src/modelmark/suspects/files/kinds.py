"""Kinds of weight files: what their first bytes are, and what opens them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from modelmark.suspects.files import (
    archives,
    checkpoint,
    coreml,
    gguf,
    hdf5,
    msgpack,
    npy,
    onnx,
    openvino,
    safetensors,
    tflite,
)
from modelmark.suspects.files.base import WeightFile

Opener: TypeAlias = Callable[[Path], WeightFile]
Kind: TypeAlias = tuple[Callable[[bytes], bool], Opener]

# a test of the first bytes, and what opens the file; the first that says yes
KINDS: tuple[Kind, ...] = (
    (safetensors.is_safetensors, safetensors.opened),
    (archives.is_zip, archives.opened),
    (checkpoint.is_legacy, checkpoint.opened_legacy),
    (gguf.is_gguf, gguf.opened),
    (tflite.is_tflite, tflite.opened),
    (npy.is_npy, npy.opened),
    (openvino.is_ir, openvino.opened),
    (hdf5.is_hdf5, hdf5.opened),
    (coreml.is_coreml, coreml.opened),  # before the next, whose first bytes can be the same
    (onnx.is_onnx, onnx.opened),
    (msgpack.is_msgpack, msgpack.opened),
)
OF_TORCH = 3  # the first of them
