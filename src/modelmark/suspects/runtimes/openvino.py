"""OpenVINO IR by OpenVINO, on the processor, in single precision."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelmark.feeds.base import Array
from modelmark.naming import library
from modelmark.suspects.runtimes.base import Port, Program, damaged

_PRECISE = {"INFERENCE_PRECISION_HINT": "f32"}
"""Otherwise some processors compute in half precision, and a label that is close may be another."""


def opened(path: Path) -> Program:
    """Return the program in an ``.xml`` with its ``.bin`` beside it.

    Raises:
        MissingPackageError: openvino is not installed.
        MalformedError: damaged, or operators that the runtime has not.
    """
    runtime = library("openvino", extra="openvino")
    what = f"OpenVINO {runtime.__version__.partition('-')[0]}"
    try:
        core = runtime.Core()
        compiled = core.compile_model(core.read_model(str(path)), "CPU", _PRECISE)
    except Exception as error:  # RuntimeError, and what its bindings raise
        raise damaged(path.name, what, error) from None
    inputs = tuple(_port(port, number) for number, port in enumerate(compiled.inputs))
    outputs = tuple(_port(port, number) for number, port in enumerate(compiled.outputs))

    def run(given: Mapping[str, Array]) -> Mapping[str, Any]:
        results = compiled([given[port.name] for port in inputs])
        return {port.name: results[number].copy() for number, port in enumerate(outputs)}

    return Program(f"OpenVINO IR by {what}", inputs, outputs, run)


def _port(port: Any, number: int) -> Port:
    name = port.get_any_name() if port.get_names() else f"port {number}"
    shape = port.get_partial_shape()
    sizes = () if shape.rank.is_dynamic else tuple(size.get_length() if size.is_static else None for size in shape)
    return Port(
        name, sizes, "str" if "string" in str(port.get_element_type()) else port.get_element_type().to_dtype().name
    )
