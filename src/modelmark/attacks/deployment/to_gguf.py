"""GGUF: what llama.cpp and its kin run."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor, nn

from modelmark.attacks._tools.packages import imported
from modelmark.attacks.deployment._base import Deployment
from modelmark.attacks.fields import sweep
from modelmark.networks import layers


class ToGguf(Deployment):
    """Store weights in the types of llama.cpp, by its own Python library, and read the file back.

    As its converter does it: vectors stay float32, and a matrix whose rows are no multiple of a block's length goes as
    float16; so do convolutions.

    Source: github.com/ggml-org/llama.cpp; gguf-py, quants.quantize.
    Departs: K-quants are written by llama-quantize alone, which is no Python; MXFP4 and the ternary TQ2_0 are harder.
    """

    strengths = (
        *sweep(weights=("F16", "BF16", "Q8_0", "Q5_0", "Q4_0", "MXFP4", "TQ2_0")),
        {"weights": "Q4_0", "convolutions": True},
    )
    folds: ClassVar[bool] = False

    weights: Annotated[
        Literal["F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "MXFP4", "TQ1_0", "TQ2_0"], "as they are stored"
    ] = "Q4_0"
    convolutions: Annotated[bool, "too, a filter as a row, which no converter does"] = False

    def written(self, model: nn.Module, inputs: Tensor, folder: Path) -> Path:
        """Write ``m.gguf``; see ``Deployment``."""
        library = imported("gguf", extra="deployment")
        writer = library.GGUFWriter(folder / "m.gguf", "own")
        rows = {f"{layer.path}.weight": layers.rows(model, layer).detach() for layer in layers.places(model)}
        for name, stored in model.state_dict().items():
            tensor = rows.get(name, stored)  # filters first, as the converter turns them
            if not tensor.is_floating_point() or not tensor.numel():
                continue
            values, kind = tensor.float().contiguous().numpy(), self._kind(library, tensor)
            if tensor.dim() > 2:
                values = values.reshape(len(values), -1)
            writer.add_tensor(
                name, library.quants.quantize(values, kind) if tensor.dim() > 1 else values, raw_dtype=kind
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return folder / "m.gguf"

    def _kind(self, library: Any, tensor: Tensor) -> Any:
        kinds = library.GGMLQuantizationType
        if tensor.dim() < 2:
            return kinds.F32
        kind = kinds[self.weights]
        block, _ = library.GGML_QUANT_SIZES[kind]
        is_kernel = tensor.dim() > 2 and not self.convolutions and block > 1
        return kinds.F16 if is_kernel or tensor[0].numel() % block else kind
