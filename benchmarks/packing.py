"""Linear layers through the packers of language models: what each writes of a marked layer, and how many bits are read.

Used by ``benchmarks/formats.py``; the second table of docs/formats.md. GPTQ and AWQ are not run here: their libraries need a GPU
to be installed, and tests hold files that their own packing functions made (``tests/unit/suspects/from_quantisers``).
"""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn


class Linears(nn.Module):
    """Three linear layers; the one in the middle is marked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.up, self.head = (
            nn.Linear(64, 256, bias=False),
            nn.Linear(256, 192, bias=False),
            nn.Linear(192, 10),
        )
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        return self.head(torch.relu(self.up(torch.relu(self.first(x.flatten(1))))))


def saved(state: dict[str, torch.Tensor], folder: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in state.items()}, folder / "model.safetensors", metadata
    )
    return folder / "model.safetensors"


def bitsandbytes(kind: str, nested: bool = False) -> Callable[[nn.Module, Path], Path]:
    def write(network: nn.Module, folder: Path) -> Path:
        import bitsandbytes as library

        for name in ("first", "up"):
            plain = getattr(network, name)
            sizes = plain.in_features, plain.out_features
            if kind == "int8":
                packed = library.nn.Linear8bitLt(*sizes, bias=False, has_fp16_weights=False)
            else:
                packed = library.nn.Linear4bit(*sizes, bias=False, compute_dtype=torch.float32, compress_statistics=nested,
                                               quant_type=kind)  # fmt: skip
            packed.load_state_dict(plain.state_dict())
            setattr(network, name, packed)
        return saved(network.to("cpu").state_dict(), folder)

    return write


def compressed_tensors(**words: object) -> Callable[[nn.Module, Path], Path]:
    def write(network: nn.Module, folder: Path) -> Path:
        import compressed_tensors.quantization as library
        from compressed_tensors.compressors import ModelCompressor
        from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam

        scheme = library.QuantizationScheme(targets=["Linear"], weights=library.QuantizationArgs(**words))
        config = library.QuantizationConfig(
            config_groups={"all": scheme}, quantization_status="frozen", ignore=["head"]
        )
        library.apply_quantization_config(network, config)
        for layer in (network.first, network.up):
            weight, how, more = layer.weight.data, layer.quantization_scheme.weights, {}
            low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
            if how.group_size:
                groups = weight.reshape(len(weight), -1, how.group_size)
                low, high = groups.amin(-1), groups.amax(-1)
            if how.strategy == "tensor_group":
                layer.weight_global_scale.data = generate_gparam(weight.amin().reshape(1), weight.amax().reshape(1))
                more["global_scale"] = layer.weight_global_scale.data
            scale, zero = calculate_qparams(low, high, how, **more)
            layer.weight_scale.data = scale.to(layer.weight_scale.dtype)
            if getattr(layer, "weight_zero_point", None) is not None:
                layer.weight_zero_point.data = zero.to(layer.weight_zero_point.dtype)
        ModelCompressor.from_pretrained_model(network).compress_model(network)
        return saved(network.state_dict(), folder)

    return write


def torchao(name: str) -> Callable[[nn.Module, Path], Path]:
    def write(network: nn.Module, folder: Path) -> Path:
        import torchao.quantization as library
        from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict

        configs = {"int8": library.Int8WeightOnlyConfig, "fp8": library.Float8WeightOnlyConfig}
        config = configs[name]() if name in configs else library.IntxWeightOnlyConfig(
            weight_dtype=torch.int4, granularity=library.PerGroup(32)
        )  # fmt: skip
        library.quantize_(network, config, filter_fn=lambda module, path: path in ("first", "up"))
        state, metadata = flatten_tensor_state_dict(network.state_dict())
        return saved(state, folder, metadata)

    return write


def peft(dora: bool) -> Callable[[nn.Module, Path], Path]:
    """Write the marked network as a base, and an adapter that changes the layer by a seventh of its norm."""

    def write(network: nn.Module, folder: Path) -> Path:
        from peft import LoraConfig, get_peft_model

        saved(network.state_dict(), folder)
        norm = network.up.weight.norm()
        config = LoraConfig(r=8, lora_alpha=8, target_modules=["up"], init_lora_weights=False, use_dora=dora)
        model = get_peft_model(network, config)
        adapted = model.base_model.model.up
        with torch.no_grad():
            delta = adapted.lora_B["default"].weight @ adapted.lora_A["default"].weight
            adapted.lora_B["default"].weight *= norm / 7 / delta.norm()
        model.save_pretrained(folder / "adapter")
        return folder / "adapter"

    return write


# what is done, the packages that do it, how
PACKERS = (
    ("bitsandbytes, NF4", ("bitsandbytes",), bitsandbytes("nf4")),
    ("bitsandbytes, NF4, scales packed too", ("bitsandbytes",), bitsandbytes("nf4", nested=True)),
    ("bitsandbytes, FP4", ("bitsandbytes",), bitsandbytes("fp4")),
    ("bitsandbytes, 8 bits", ("bitsandbytes",), bitsandbytes("int8")),
    ("compressed-tensors, int4, groups of 32", ("compressed-tensors",),
     compressed_tensors(num_bits=4, strategy="group", group_size=32)),
    ("compressed-tensors, int4 with zero points", ("compressed-tensors",),
     compressed_tensors(num_bits=4, symmetric=False, strategy="group", group_size=32)),
    ("compressed-tensors, NVFP4", ("compressed-tensors",),
     compressed_tensors(num_bits=4, type="float", strategy="tensor_group", group_size=16, dynamic=False,
                        scale_dtype=torch.float8_e4m3fn)),
    ("compressed-tensors, FP8", ("compressed-tensors",), compressed_tensors(num_bits=8, type="float", strategy="channel")),
    ("torchao, int8", ("torchao",), torchao("int8")),
    ("torchao, int4 in bytes, groups of 32", ("torchao",), torchao("intx")),
    ("torchao, FP8", ("torchao",), torchao("fp8")),
    ("peft, LoRA over its base", ("peft",), peft(dora=False)),
    ("peft, DoRA over its base", ("peft",), peft(dora=True)),
)  # fmt: skip
