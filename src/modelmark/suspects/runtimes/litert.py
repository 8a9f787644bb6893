"""TFLite by LiteRT, or by the runtimes that were called so before."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from modelmark.feeds.base import Array
from modelmark.naming import library
from modelmark.suspects.runtimes.base import Port, Program, damaged

_MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


def opened(path: Path) -> Program:
    """Return the program in a file.

    Raises:
        MissingPackageError: no such runtime is installed.
        MalformedError: damaged, or operators that the runtime has not.
    """
    runtime = library(*_MODULES, extra="litert")
    what = _named(runtime.__name__.partition(".")[0])
    try:
        interpreter = runtime.Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
    except Exception as error:  # ValueError and RuntimeError, as it comes
        raise damaged(path.name, what, error) from None
    own, given_back = interpreter.get_input_details(), interpreter.get_output_details()
    inputs, outputs = tuple(map(_port, own)), tuple(map(_port, given_back))

    def run(given: Mapping[str, Array]) -> Mapping[str, Any]:
        for one, port in zip(own, inputs, strict=True):
            array = given[port.name]
            if tuple(interpreter.get_tensor(one["index"]).shape) != array.shape:
                interpreter.resize_tensor_input(one["index"], array.shape)
                interpreter.allocate_tensors()
        for one, port in zip(own, inputs, strict=True):
            interpreter.set_tensor(one["index"], given[port.name])
        interpreter.invoke()
        return {port.name: interpreter.get_tensor(one["index"]) for one, port in zip(given_back, outputs, strict=True)}

    return Program(f"TFLite by {what}", inputs, outputs, run)


def _named(module: str) -> str:
    name = {"ai_edge_litert": "LiteRT", "tflite_runtime": "the TFLite runtime"}.get(module, module)
    try:
        return f"{name} {version(module)}"
    except PackageNotFoundError:
        return name


def _port(details: Any) -> Port:
    signature = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    sizes = tuple(int(size) if size > 0 else None for size in signature)
    scale, zero = details["quantization"]
    kind = np.dtype(details["dtype"])
    return Port(details["name"], sizes, "str" if kind.kind in "OSU" else kind.name, float(scale), int(zero))
