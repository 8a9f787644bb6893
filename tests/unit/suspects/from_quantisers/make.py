"""Make the folders beside this one with the quantisers' own code: ``python make.py GPTQMODEL AUTOAWQ``. Not run by the tests.

Made with bitsandbytes 0.50.2, compressed-tensors 0.20.1, torchao 0.18.0, transformers 5.24.0, torch 2.13.0, mlx 0.32.4,
auto-round 0.16.1, and with the packing functions in the sources of GPTQModel 7.7.0 and autoawq 0.2.9, whose folders are the
arguments: neither installs on a machine without a GPU. ``truth.npz`` holds what the tool itself makes of each weight in float32.
"""

import ast
import json
import math
import sys
import textwrap
from contextlib import nullcontext
from pathlib import Path

import bitsandbytes
import compressed_tensors.quantization as ct
import numpy as np
import torch
import transformers
from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from safetensors.torch import save_file
from torch import nn
from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, IntxWeightOnlyConfig, PerGroup, quantize_
from transformers.integrations.finegrained_fp8 import Fp8Dequantize
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

HERE = Path(__file__).parent
ROWS, COLUMNS, GROUP = 32, 64, 32


def network(rows=ROWS):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(COLUMNS, rows, bias=False))


def write(name, state, truth, config=None, metadata=None):
    (HERE / name).mkdir(exist_ok=True)
    save_file(
        {key: value.detach().contiguous() for key, value in state.items()}, HERE / name / "model.safetensors", metadata
    )
    if config:
        (HERE / name / "config.json").write_text(json.dumps({"quantization_config": config}))
    np.savez_compressed(
        HERE / name / "truth.npz", **{key: value.detach().float().numpy() for key, value in truth.items()}
    )


def of_bitsandbytes():
    for name, kind, nested in (("bnb_nf4", "nf4", False), ("bnb_fp4", "fp4", False), ("bnb_nested", "nf4", True)):
        rows = 288 if nested else ROWS  # more blocks than one block of scales holds
        plain = network(rows)
        packed = nn.Sequential(bitsandbytes.nn.Linear4bit(
            COLUMNS, rows, bias=False, compute_dtype=torch.float32, compress_statistics=nested, quant_type=kind
        ))  # fmt: skip
        packed.load_state_dict(plain.state_dict())
        packed = packed.to("cpu")
        weight = packed[0].weight
        write(name, packed.state_dict(), {"0.weight": dequantize_4bit(weight.data, weight.quant_state)})
    packed = nn.Sequential(bitsandbytes.nn.Linear8bitLt(COLUMNS, ROWS, bias=False, has_fp16_weights=False))
    packed.load_state_dict(network().state_dict())
    packed = packed.to("cpu")
    write("bnb_int8", packed.state_dict(),
          {"0.weight": int8_vectorwise_dequant(packed[0].weight.data, packed[0].weight.SCB)})  # fmt: skip


COMPRESSED = {
    "ct_int4": {"num_bits": 4, "symmetric": True, "strategy": "group", "group_size": GROUP},
    "ct_int4_zero_points": {"num_bits": 4, "symmetric": False, "strategy": "group", "group_size": GROUP},
    "ct_int3": {"num_bits": 3, "symmetric": False, "strategy": "group", "group_size": GROUP},
    "ct_fp8": {"num_bits": 8, "type": "float", "strategy": "channel"},
    "ct_fp8_blocks": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [16, 32]},
    "ct_nvfp4": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16, "dynamic": False,
                 "scale_dtype": torch.float8_e4m3fn},
    "ct_mxfp4": {"num_bits": 4, "type": "float", "strategy": "group", "group_size": GROUP, "scale_dtype": torch.uint8},
}  # fmt: skip


def of_compressed_tensors():
    for name, words in COMPRESSED.items():
        model = network()
        scheme = ct.QuantizationScheme(targets=["Linear"], weights=ct.QuantizationArgs(**words))
        ct.apply_quantization_config(
            model, ct.QuantizationConfig(config_groups={"all": scheme}, quantization_status="frozen")
        )
        layer, how = model[0], model[0].quantization_scheme.weights
        weight, more = layer.weight.data, {}
        low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
        if how.group_size:
            groups = weight.reshape(ROWS, -1, how.group_size)
            low, high = groups.amin(-1), groups.amax(-1)
        if how.block_structure:
            blocks = weight.reshape(ROWS // 16, 16, COLUMNS // 32, 32)
            low, high = blocks.amin((1, 3)), blocks.amax((1, 3))
        if how.strategy == "tensor_group":
            layer.weight_global_scale.data = generate_gparam(weight.amin().reshape(1), weight.amax().reshape(1))
            more["global_scale"] = layer.weight_global_scale.data
        scale, zero = calculate_qparams(low, high, how, **more)
        layer.weight_scale.data = scale.to(layer.weight_scale.dtype)
        if getattr(layer, "weight_zero_point", None) is not None:
            layer.weight_zero_point.data = zero.to(layer.weight_zero_point.dtype)
        zero = getattr(layer, "weight_zero_point", None)
        truth = fake_quantize(weight, layer.weight_scale, zero, how, **more)
        compressor = ModelCompressor.from_pretrained_model(model)
        compressor.compress_model(model)
        write(name, model.state_dict(), {"0.weight": truth})


def of_torchao():
    for name, config in (
        ("ao_int8", Int8WeightOnlyConfig()),
        ("ao_intx", IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(GROUP))),
        ("ao_fp8", Float8WeightOnlyConfig()),
    ):
        model = network()
        quantize_(model, config)
        state, metadata = flatten_tensor_state_dict(model.state_dict())
        write(name, state, {"0.weight": model[0].weight.dequantize()}, metadata=metadata)


def of_transformers():
    blocks = torch.randint(0, 256, (2, 24, 2, 16), dtype=torch.uint8)
    scales = torch.randint(110, 130, (2, 24, 2), dtype=torch.uint8)
    truth = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    write(
        "mxfp4",
        {"experts.gate_up_proj_blocks": blocks, "experts.gate_up_proj_scales": scales},
        {"experts.gate_up_proj": truth},
    )
    undo = Fp8Dequantize(None)._dequantize_one
    eights, of_eights = (torch.randn(64, 96) * 0.1).to(torch.float8_e4m3fn), torch.rand(2, 3)
    pairs, of_pairs = torch.randint(-128, 127, (16, 32), dtype=torch.int8), torch.rand(16, 2)
    write(
        "fp8",
        {"0.weight": eights, "0.weight_scale_inv": of_eights, "1.weight": pairs, "1.weight_scale_inv": of_pairs},
        {"0.weight": undo(eights, of_eights, torch.float32), "1.weight": undo(pairs, of_pairs, torch.float32)},
    )


def of_mlx():
    import mlx.core as mx

    weight = mx.array(network()[0].weight.detach().numpy())
    for name, words in (
        ("mlx_4", {"group_size": GROUP, "bits": 4, "mode": "affine"}),
        ("mlx_3", {"group_size": GROUP, "bits": 3, "mode": "affine"}),
        ("mlx_nvfp4", {"group_size": 16, "bits": 4, "mode": "nvfp4"}),
        ("mlx_mxfp8", {"group_size": 32, "bits": 8, "mode": "mxfp8"}),
    ):
        packed = mx.quantize(weight, **words)
        (HERE / name).mkdir(exist_ok=True)
        named = dict(zip(("0.weight", "0.scales", "0.biases"), packed, strict=False))
        mx.save_safetensors(str(HERE / name / "model.safetensors"), named)
        (HERE / name / "config.json").write_text(
            json.dumps({"quantization": {"group_size": 64, "bits": 2, "0": words}})
        )
        truth = mx.dequantize(*packed, **words)
        np.savez_compressed(HERE / name / "truth.npz", **{"0.weight": np.array(truth.astype(mx.float32))})


def of_auto_round():
    from auto_round_extension.torch.qlinear_torch import QuantLinear

    linear = network()[0]
    groups = linear.weight.data.reshape(ROWS, -1, GROUP)
    scale = (groups.amax(-1) - groups.amin(-1)) / 15
    scale = scale.half().float()  # as they are stored
    zero = torch.round(-groups.amin(-1) / scale)
    one = QuantLinear(4, GROUP, COLUMNS, ROWS, False, g_idx=True)
    one.device = "cpu"
    one.pack(linear, scale, zero, None, device="cpu")
    rows = torch.round(linear.weight.data / scale.repeat_interleave(GROUP, 1) + zero.repeat_interleave(GROUP, 1))
    truth = (rows.clamp(0, 15) - zero.repeat_interleave(GROUP, 1)) * scale.repeat_interleave(GROUP, 1)
    said = one(torch.eye(COLUMNS)).T  # what the layer itself computes
    assert torch.allclose(said.float(), truth, atol=1e-3)
    state = {f"0.{part}": getattr(one, part) for part in ("qweight", "qzeros", "scales", "g_idx")}
    words = {"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:gptqmodel"}
    write("auto_round", state, {"0.weight": truth}, words)


def functions(path, names, known):
    """Return functions of a file that cannot be imported, without their decorators."""
    source, found = path.read_text(), {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name in names and node.name not in found:
            node.decorator_list = []
            exec(textwrap.dedent(ast.unparse(node)), known)
            found[node.name] = known[node.name]
    return found


def of_gptq(source):
    limits = type("Limits", (), {"threadpool_limits": staticmethod(lambda count: nullcontext())})
    known = {"math": math, "t": torch, "np": np, "nn": nn, "transformers": transformers, "THREADPOOLCTL": limits,
             "_ConvNd": nn.modules.conv._ConvNd}  # fmt: skip
    file = source / "gptqmodel/nn_modules/qlinear/__init__.py"
    functions(file, ("_torch_right_shift", "_torch_left_shift"), known)
    methods = functions(file, ("pack_original", "dequantize_weight", "_dequantize_from_codes"), known)
    settings = {"planar": False, "pack_dtype_bits": 32, "pack_np_math_dtype": np.uint32, "pack_np_dtype": np.int32}
    kind = type("Packer", (), {**methods, **settings, "_init_wf_unsqueeze_buffers": lambda self: None,
                               "register_buffer": lambda self, name, value: setattr(self, name, value)})  # fmt: skip
    threes = [[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0], [0, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31],
              [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0]]  # fmt: skip
    for name, bits, version in (("gptq_4_v1", 4, 1), ("gptq_4_v2", 4, 2), ("gptq_2_v1", 2, 1), ("gptq_3_v2", 3, 2),
                                ("gptq_8_v1", 8, 1)):  # fmt: skip
        linear = network()[0]
        weight = linear.weight.data
        groups = (torch.arange(COLUMNS) // GROUP)[torch.randperm(COLUMNS)]  # as with desc_act
        scale, zero = torch.zeros(ROWS, COLUMNS // GROUP), torch.zeros(ROWS, COLUMNS // GROUP)
        for group in range(COLUMNS // GROUP):
            part = weight[:, groups == group]
            scale[:, group] = (part.amax(1) - part.amin(1)) / (2**bits - 1)
            zero[:, group] = torch.round(-part.amin(1) / scale[:, group])
        zero[::5] = 0  # which version 1 stores as minus one, borrowed from the next
        one = kind()
        one.bits, one.maxq, one.pack_factor, one.g_idx = bits, 2**bits - 1, 32 // bits, None
        one.in_features, one.dequant_dtype = COLUMNS, torch.int16 if bits == 8 else torch.int8
        table = torch.tensor(threes).reshape(1, 3, 12) if bits == 3 else torch.arange(0, 32, bits)[None]
        one.wf_unsqueeze_zero, one.wf_unsqueeze_neg_one = table.int()[None], table.int()[..., None]
        one.pack_original(linear, scale, zero, groups.int())
        state = {f"0.{part}": getattr(one, part).clone() for part in ("qweight", "qzeros", "scales", "g_idx")}
        one.scales = one.scales.float()  # the same expression without its last rounding to float16
        truth = {"0.weight": one.dequantize_weight().T}
        if version == 1:
            state["0.qzeros"] -= 0xFFFFFFFF // (2**bits - 1)  # as convert_gptq_v2_to_v1_format_module
        written = "gptq" if version == 1 else "gptq_v2"
        write(name, state, truth, {"quant_method": "gptq", "bits": bits, "checkpoint_format": written})


def of_awq(source):
    known = {"torch": torch, "np": np, "get_best_device": lambda: "cpu"}
    exec((source / "awq/utils/packing_utils.py").read_text(), known)
    functions(source / "awq/modules/linear/gemm.py", ("from_linear",), known)

    class Packer:
        def __init__(self, bits, group, inputs, outputs, *_, **__):
            self.w_bit, self.group_size, self.in_features, self.out_features, self.bias = (
                bits,
                group,
                inputs,
                outputs,
                None,
            )

    linear = network()[0]
    groups = linear.weight.data.reshape(ROWS, -1, GROUP)
    scale = (groups.amax(-1) - groups.amin(-1)) / 15
    zero = torch.round(-groups.amin(-1) / scale)
    one = known["from_linear"](Packer, linear, 4, GROUP, False, scale.T.contiguous(), zero.T.contiguous())
    state = {f"0.{part}": getattr(one, part) for part in ("qweight", "qzeros", "scales")}
    truth = known["dequantize_gemm"](one.qweight, one.qzeros, one.scales.float(), 4, GROUP).T
    write("awq", state, {"0.weight": truth}, {"quant_method": "awq", "bits": 4, "version": "gemm"})


def main(gptqmodel, autoawq):
    of_bitsandbytes()
    of_compressed_tensors()
    of_torchao()
    of_transformers()
    of_mlx()
    of_auto_round()
    of_gptq(Path(gptqmodel))
    of_awq(Path(autoawq))


if __name__ == "__main__":
    main(*sys.argv[1:])
