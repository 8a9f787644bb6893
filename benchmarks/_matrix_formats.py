"""Files that real tools write of a network, and the tensors that each format's own reader gives, as they are stored."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.attacks._tools.packages import quiet
from modelmark.attacks.deployment.to_gguf import ToGguf
from modelmark.attacks.deployment.to_onnx import ToOnnx
from modelmark.attacks.deployment.to_openvino import ToOpenvino

Arrays = dict[str, np.ndarray]
Writer = Callable[[nn.Module, Tensor, Path], Path]


def safetensors(kind: torch.dtype) -> Writer:
    def write(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
        from safetensors.torch import save_model

        save_model(copy.deepcopy(network).to(kind), str(folder / "m.safetensors"))
        return folder / "m.safetensors"

    return write


def by(attack: Any) -> Writer:
    return lambda network, inputs, folder: attack.written(copy.deepcopy(network), inputs, folder)


def exported(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    torch.export.save(torch.export.export(network, (inputs,)), folder / "m.pt2")
    return folder / "m.pt2"


def traced(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    torch.jit.save(torch.jit.trace(network, inputs, strict=False), folder / "m.ts")
    return folder / "m.ts"


def frozen(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    torch.jit.save(torch.jit.freeze(torch.jit.trace(network, inputs, strict=False)), folder / "f.ts")
    return folder / "f.ts"


def numpy(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    np.savez(folder / "m.npz", **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
    return folder / "m.npz"


def _kernels(network: nn.Module) -> dict[str, np.ndarray]:
    """Return kernels as Keras and Flax hold them: outputs last; depthwise ones as one channel's of many inputs are."""
    found = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            found[name] = layer.weight.permute(2, 3, 1, 0)
        elif type(layer).__name__ == "Conv1D":
            found[name] = layer.weight
        elif isinstance(layer, nn.Linear):
            found[name] = layer.weight.T
    return {name: kernel.detach().contiguous().numpy() for name, kernel in found.items()}


def hdf5(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    import h5py

    counts: dict[str, int] = {}
    with h5py.File(folder / "m.weights.h5", "w") as file:
        for kernel in _kernels(network).values():
            kind = "conv2d" if kernel.ndim == 4 else "dense"
            number = counts[kind] = counts.get(kind, -1) + 1
            file[f"layers/{kind}_{number}/vars/0" if number else f"layers/{kind}/vars/0"] = kernel
    return folder / "m.weights.h5"


def flax(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    import msgpack

    tree = {}
    for name, kernel in _kernels(network).items():
        packed = msgpack.packb((kernel.shape, kernel.dtype.name, kernel.tobytes()), use_bin_type=True)
        tree[name.replace(".", "_")] = {"kernel": msgpack.ExtType(1, packed)}
    (folder / "m.msgpack").write_bytes(msgpack.packb({"params": tree}, use_bin_type=True))
    return folder / "m.msgpack"


def _linear(network: nn.Module) -> nn.Module:
    """Return a copy whose matrices are all ``nn.Linear``, as quantisers turn GPT-2's round."""
    found = copy.deepcopy(network)
    for name, layer in list(found.named_modules()):
        if type(layer).__name__ == "Conv1D":
            linear = nn.Linear(*layer.weight.shape)
            linear.weight.data, linear.bias.data = layer.weight.data.T.contiguous(), layer.bias.data
            found.set_submodule(name, linear)
    return found


def torchao(config: Callable[[Any], Any]) -> Writer:
    def write(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
        import torchao.quantization as library
        from safetensors.torch import save_file
        from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict

        found = _linear(network)
        library.quantize_(found, config(library))
        state, metadata = flatten_tensor_state_dict(found.state_dict())
        save_file(
            {name: value.clone().contiguous() for name, value in state.items()}, folder / "m.safetensors", metadata
        )
        return folder / "m.safetensors"

    return write


def bitsandbytes(kind: str) -> Writer:
    def write(network: nn.Module, inputs: Tensor, folder: Path) -> Path:
        import bitsandbytes as library
        from safetensors.torch import save_file

        found = _linear(network)
        linear = [(name, layer) for name, layer in found.named_modules() if isinstance(layer, nn.Linear)][:-1]
        for name, layer in linear:
            sizes, has_bias = (layer.in_features, layer.out_features), layer.bias is not None
            packed = (
                library.nn.Linear8bitLt(*sizes, bias=has_bias, has_fp16_weights=False)
                if kind == "int8"
                else library.nn.Linear4bit(*sizes, bias=has_bias, compute_dtype=torch.float32, quant_type=kind)
            )
            packed.load_state_dict(layer.state_dict())
            found.set_submodule(name, packed)
        state = found.to("cpu").state_dict()
        save_file({name: value.clone().contiguous() for name, value in state.items()}, folder / "m.safetensors")
        return folder / "m.safetensors"

    return write


def _int4(library: Any) -> Any:
    return library.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=library.PerGroup(32))


# what is written, by which packages, how
FORMATS: dict[str, tuple[tuple[str, ...], Writer]] = {
    "safetensors, float32": (("safetensors",), safetensors(torch.float32)),
    "safetensors, float16": (("safetensors",), safetensors(torch.float16)),
    "safetensors, bfloat16": (("safetensors",), safetensors(torch.bfloat16)),
    "ONNX": (("onnxscript", "onnx"), by(ToOnnx("float32"))),
    "ONNX, int8, a scale": (("onnxruntime", "onnx"), by(ToOnnx("tensor"))),
    "ONNX, int8, a scale a filter": (("onnxruntime", "onnx"), by(ToOnnx("filter"))),
    "ONNX, uint8, a zero point": (("onnxruntime", "onnx"), by(ToOnnx("asymmetric"))),
    "OpenVINO, float16": (("openvino",), by(ToOpenvino("float16"))),
    "OpenVINO, uint8 by NNCF": (("nncf", "openvino"), by(ToOpenvino("asymmetric"))),
    "GGUF, F16": (("gguf",), by(ToGguf("F16"))),
    "GGUF, Q8_0": (("gguf",), by(ToGguf("Q8_0", convolutions=True))),
    "GGUF, Q4_0": (("gguf",), by(ToGguf("Q4_0", convolutions=True))),
    "torch.export": (("torch",), exported),
    "TorchScript": (("torch",), traced),
    "TorchScript, frozen": (("torch",), frozen),
    "HDF5 as Keras (own writer)": (("h5py",), hdf5),
    "msgpack as Flax (own writer)": (("msgpack",), flax),
    "NumPy": (("numpy",), numpy),
    "torchao, int8": (("torchao",), torchao(lambda library: library.Int8WeightOnlyConfig())),
    "torchao, int4, groups of 32": (("torchao",), torchao(_int4)),
    "bitsandbytes, int8": (("bitsandbytes",), bitsandbytes("int8")),
    "bitsandbytes, NF4": (("bitsandbytes",), bitsandbytes("nf4")),
}


def written(name: str, network: nn.Module, inputs: Tensor, folder: Path) -> Path:
    with quiet(), torch.no_grad():
        return FORMATS[name][1](network, inputs, folder)


def stored(path: Path) -> Arrays:
    """Return what the format's own reader gives, as it is stored: integers as integers, packed bytes as bytes."""
    with quiet():
        return _READERS.get("".join(path.suffixes[-2:]) if path.suffix == ".h5" else path.suffix, lambda path: {})(path)


def _of_torch(state: dict[str, Tensor]) -> Arrays:
    return {
        name: (value.float() if value.is_floating_point() else value).detach().numpy() for name, value in state.items()
    }


def _safetensors(path: Path) -> Arrays:
    from safetensors.torch import load_file

    return _of_torch(load_file(path))


def _onnx(path: Path) -> Arrays:
    import onnx

    return {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


def _gguf(path: Path) -> Arrays:
    import gguf

    return {one.name: np.array(one.data) for one in gguf.GGUFReader(path).tensors}


def _openvino(path: Path) -> Arrays:
    import openvino

    operations = openvino.Core().read_model(path).get_ops()
    return {one.friendly_name: np.array(one.data) for one in operations if one.get_type_name() == "Constant"}


def _hdf5(path: Path) -> Arrays:
    import h5py

    found: Arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def _msgpack(path: Path) -> Arrays:
    import msgpack

    def array(code: int, data: bytes) -> np.ndarray:
        shape, kind, values = msgpack.unpackb(data)
        return np.frombuffer(values, kind).reshape(shape)

    tree = msgpack.unpackb(path.read_bytes(), ext_hook=array)["params"]
    return {f"params/{name}/kernel": item["kernel"] for name, item in tree.items()}


_READERS: dict[str, Callable[[Path], Arrays]] = {
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".gguf": _gguf,
    ".xml": _openvino,
    ".pt2": lambda path: _of_torch(dict(torch.export.load(path).state_dict)),
    ".ts": lambda path: _of_torch(dict(torch.jit.load(path).state_dict())),
    ".weights.h5": _hdf5,
    ".msgpack": _msgpack,
    ".npz": lambda path: dict(np.load(path)),
}
