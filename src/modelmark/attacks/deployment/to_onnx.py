"""ONNX: what most runtimes are fed with."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.packages import imported
from modelmark.attacks.deployment._base import Deployment
from modelmark.attacks.fields import sweep

_KINDS = {"tensor": ("QInt8", False), "filter": ("QInt8", True), "asymmetric": ("QUInt8", False)}


class ToOnnx(Deployment):
    """Export to ONNX, with batch norm folded, and to integers as onnxruntime quantises convolutions; read the file back.

    Integers are int8 with a scale of the tensor or of each filter, or uint8 with a zero point. Activations are integers there
    too, calibrated on the thief's data; what goes back into the model are the weights.

    Source: onnx.ai and onnxruntime.ai; torch.onnx.export, onnxruntime.quantization.quantize_static.
    """

    strengths = sweep(weights=("float32", "filter", "tensor", "asymmetric"))

    weights: Annotated[
        Literal["float32", "tensor", "filter", "asymmetric"], "as they are, or integers with what scale"
    ] = "float32"

    def written(self, model: nn.Module, inputs: Tensor, folder: Path) -> Path:
        """Write ``m.onnx``, or ``q.onnx`` beside it; see ``Deployment``."""
        imported("onnxscript", "onnx", extra="deployment")
        path, batch = folder / "m.onnx", {"x": {0: "batch"}}
        torch.onnx.export(
            model, (inputs[:1],), path, input_names=["x"], output_names=["y"], dynamic_axes=batch, dynamo=True,
            verbose=False, external_data=False,
        )  # fmt: skip
        return path if self.weights == "float32" else self._quantised(path, inputs)

    def _quantised(self, path: Path, inputs: Tensor) -> Path:
        tools = imported("onnxruntime.quantization", "onnxruntime", extra="deployment")
        kind, is_each = _KINDS[self.weights]
        shown = iter({"x": each[None].numpy()} for each in inputs)

        class Shown(tools.CalibrationDataReader):  # type: ignore[misc, name-defined]
            """The thief's inputs, one at a time."""

            def get_next(self) -> object:
                """Return the next."""
                return next(shown, None)

        tools.quantize_static(
            path, path.with_name("q.onnx"), Shown(), per_channel=is_each, activation_type=tools.QuantType[kind],
            weight_type=tools.QuantType[kind],
        )  # fmt: skip
        return path.with_name("q.onnx")
