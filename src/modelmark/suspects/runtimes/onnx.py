"""ONNX by onnxruntime, on the processor."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelmark.feeds.base import Array
from modelmark.naming import library
from modelmark.suspects.runtimes.base import Port, Program, damaged

_TYPES = {
    "float": "float32", "float16": "float16", "double": "float64", "uint8": "uint8", "int8": "int8", "int32": "int32",
    "int64": "int64", "string": "str",
}  # fmt: skip


def opened(path: Path) -> Program:
    """Return the program in a file.

    Raises:
        MissingPackageError: onnxruntime is not installed.
        MalformedError: damaged, numbers outside of the file's folder, or operators that the runtime has not.
    """
    from modelmark.suspects.files import open_weights

    runtime = library("onnxruntime", extra="onnxruntime")
    open_weights(path)  # refuses numbers outside of the folder
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    what = f"onnxruntime {runtime.__version__}"
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        raise damaged(path.name, what, error) from None
    outputs = tuple(map(_port, session.get_outputs()))
    names = [port.name for port in outputs]

    def run(given: Mapping[str, Array]) -> Mapping[str, Any]:
        return dict(zip(names, session.run(names, dict(given)), strict=True))

    return Program(f"ONNX by {what}", tuple(map(_port, session.get_inputs())), outputs, run)


def _port(node: Any) -> Port:
    kind = re.fullmatch(r"tensor\((\w+)\)", node.type)
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape or ())
    return Port(node.name, shape, _TYPES.get(kind[1], kind[1]) if kind else "")
