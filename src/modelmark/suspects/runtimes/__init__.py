"""Files that can be run as they are, without the code of a network: one file a runtime, each an extra. Loads them when asked."""

import importlib
from collections.abc import Callable
from pathlib import Path

from modelmark import files
from modelmark.suspects.files.kinds import KINDS
from modelmark.suspects.runtimes.base import Program

# the reader of a format under suspects/files, and what runs it
RUNTIMES = {
    "onnx": "modelmark.suspects.runtimes.onnx:opened",
    "openvino": "modelmark.suspects.runtimes.openvino:opened",
    "tflite": "modelmark.suspects.runtimes.litert:opened",
}
_HEAD = 4096


def runner(path: Path) -> Callable[[Path], Program] | None:
    """Return what opens a file to be run, told by its first bytes; None of what no runtime runs.

    Raises:
        MalformedError: missing, empty or unreadable.
    """
    if path.is_dir():
        return None
    head = files.head(path, _HEAD, what="a suspect")
    opener = next((opener for is_kind, opener in KINDS if is_kind(head)), None)
    name = RUNTIMES.get(opener.__module__.rpartition(".")[2]) if opener else None
    if name is None:
        return None
    module, _, attribute = name.partition(":")
    found: Callable[[Path], Program] = getattr(importlib.import_module(module), attribute)
    return found
