"""OpenVINO: Intel's runtime."""

from pathlib import Path
from typing import Annotated, Literal

from torch import Tensor, nn

from modelmark.attacks._tools.packages import imported
from modelmark.attacks.deployment._base import Deployment
from modelmark.attacks.fields import sweep


class ToOpenvino(Deployment):
    """Convert to OpenVINO, with batch norm folded and weights in half precision or as NNCF compresses them; read it back.

    Integers are NNCF's default, uint8 with a zero point a filter, or int8 with a scale alone; activations stay as they are.

    Source: docs.openvino.ai; convert_model, save_model, and nncf.compress_weights.
    """

    strengths = sweep(weights=("float16", "asymmetric", "symmetric"))

    weights: Annotated[Literal["float32", "float16", "asymmetric", "symmetric"], "in the file"] = "float16"

    def written(self, model: nn.Module, inputs: Tensor, folder: Path) -> Path:
        """Write ``m.xml`` and ``m.bin``; see ``Deployment``."""
        openvino = imported("openvino", extra="deployment")
        made = openvino.convert_model(model, example_input=inputs[:1])
        if self.weights in ("asymmetric", "symmetric"):
            nncf = imported("nncf", extra="deployment")
            modes = nncf.CompressWeightsMode
            mode = modes.INT8_ASYM if self.weights == "asymmetric" else modes.INT8_SYM
            made = nncf.compress_weights(made, mode=mode)
        openvino.save_model(made, folder / "m.xml", compress_to_fp16=self.weights != "float32")
        return folder / "m.xml"
