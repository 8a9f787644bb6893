"""Weight files of other tools, made from one small network: what writes each, and which library that takes.

A maker returns the path of the file that it wrote into a folder.
"""

import importlib
import zipfile

import pytest
import torch
from torch import nn


class Small(nn.Module):
    """Convolutions with and without batch norm, and two linear layers; one of them square."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.conv = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, bias=False)
        self.bn, self.fc, self.head = nn.BatchNorm2d(32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.bn.weight.data.uniform_(0.2, 2)
        self.bn.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(torch.relu(self.stem(x)))))
        return self.head(torch.relu(self.fc(x.mean((2, 3)))))


class Answering(nn.Module):
    """A network whose answers to noise are many, for runtimes to agree with."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.bn, self.head = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Linear(216, 10)
        self.bn.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x):
        return self.head(torch.relu(self.bn(self.conv(x))).flatten(1))


PICTURE = torch.zeros(1, 1, 8, 8)


def onnx(network, folder, **how):
    torch.onnx.export(network, (PICTURE,), folder / "m.onnx", dynamo=False, **how)
    return folder / "m.onnx"


def onnx_beside(network, folder):
    import onnx as library

    made = library.load(onnx(network, folder))
    library.save(made, folder / "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0)
    return folder / "b.onnx"


def onnx_int8(network, folder, per_channel=True):
    """Write integers with a scale a filter, as quantisers of every make do (QDQ)."""
    import numpy as np
    import onnx as library

    made = library.load(onnx(network, folder))
    graph, numbers = made.graph, {one.name: library.numpy_helper.to_array(one) for one in made.graph.initializer}
    for node in [*graph.node]:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        name = node.input[1]
        weight = numbers[name]
        axes = tuple(range(1, weight.ndim))
        largest = np.abs(weight).max(axis=axes, keepdims=True) if per_channel else np.abs(weight).max()
        scale = np.asarray(largest / 127, np.float32)
        codes = np.rint(weight / scale).astype(np.int8)
        (old,) = (one for one in graph.initializer if one.name == name)
        graph.initializer.remove(old)
        graph.initializer.append(library.numpy_helper.from_array(codes, f"{name}_quantized"))
        graph.initializer.append(
            library.numpy_helper.from_array(scale.reshape(-1) if per_channel else scale, f"{name}_scale")
        )
        graph.node.insert(
            0,
            library.helper.make_node(
                "DequantizeLinear", [f"{name}_quantized", f"{name}_scale"], [f"{name}_float"], axis=0
            ),
        )
        node.input[1] = f"{name}_float"
    library.save(made, folder / "q.onnx")
    return folder / "q.onnx"


def gguf(network, folder, kind="F32"):
    library = importlib.import_module("gguf")
    writer = library.GGUFWriter(folder / "m.gguf", "own")
    for name, tensor in network.state_dict().items():
        array = tensor.float().numpy()
        wanted = library.GGMLQuantizationType[kind]
        block, _ = library.GGML_QUANT_SIZES[wanted]
        if name.endswith("weight") and array.ndim > 1 and array.shape[-1] % block == 0:
            writer.add_tensor(name, library.quants.quantize(array, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, array.reshape(array.shape or (1,)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "m.gguf"


def keras_weights(network, folder):
    """Write the network's layers as Keras holds them, under names that Keras gives by class and order."""
    h5py = importlib.import_module("h5py")
    convolutions = dense = 0
    with h5py.File(folder / "m.weights.h5", "w") as file:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                kernel, group = layer.weight.permute(2, 3, 1, 0), f"conv2d_{convolutions}" if convolutions else "conv2d"
                convolutions += 1
            elif isinstance(layer, nn.Linear):
                kernel, group = layer.weight.T, f"dense_{dense}" if dense else "dense"
                dense += 1
            else:
                continue
            file[f"layers/{group}/vars/0"] = kernel.detach().contiguous().numpy()
            file[f"layers/{group}/vars/1"] = torch.zeros(kernel.shape[-1]).numpy()
    return folder / "m.weights.h5"


def keras(network, folder):
    inner = keras_weights(network, folder)
    with zipfile.ZipFile(folder / "m.keras", "w") as target:
        target.writestr("config.json", "{}")
        target.write(inner, "model.weights.h5")
    return folder / "m.keras"


def flax(network, folder):
    """Write the network's layers as ``flax.serialization.to_bytes`` writes a tree."""
    msgpack = importlib.import_module("msgpack")
    tree = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            kernel = layer.weight.permute(2, 3, 1, 0) if isinstance(layer, nn.Conv2d) else layer.weight.T
            array = kernel.detach().contiguous().numpy()
            packed = msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True)
            tree[name.replace(".", "_")] = {"kernel": msgpack.ExtType(1, packed)}
    (folder / "m.msgpack").write_bytes(msgpack.packb({"params": tree}, use_bin_type=True))
    return folder / "m.msgpack"


def numpy(network, folder):
    import numpy as library

    library.savez(folder / "m.npz", **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
    return folder / "m.npz"


def exported(network, folder):
    torch.export.save(torch.export.export(network, (PICTURE,)), folder / "m.pt2")
    return folder / "m.pt2"


def scripted(network, folder):
    torch.jit.save(torch.jit.script(network), folder / "m.ts")
    return folder / "m.ts"


def frozen(network, folder):
    torch.jit.save(torch.jit.freeze(torch.jit.script(network)), folder / "f.ts")
    return folder / "f.ts"


def openvino(network, folder):
    library = importlib.import_module("openvino")
    library.save_model(library.convert_model(network, example_input=PICTURE), folder / "m.xml")
    return folder / "m.xml"


# what writes each, and the libraries that it takes
MAKERS = {
    "onnx": (onnx, ("onnx",)),
    "onnx beside": (onnx_beside, ("onnx",)),
    "onnx int8": (onnx_int8, ("onnx",)),
    "gguf": (gguf, ("gguf",)),
    "gguf Q8_0": (lambda network, folder: gguf(network, folder, "Q8_0"), ("gguf",)),
    "keras weights": (keras_weights, ("h5py",)),
    "keras archive": (keras, ("h5py",)),
    "flax": (flax, ("msgpack",)),
    "numpy": (numpy, ()),
    "openvino": (openvino, ("openvino",)),
    "torch.export": (exported, ()),
    "TorchScript": (scripted, ()),
    "TorchScript frozen": (frozen, ()),
}


def made(name, network, folder):
    """Return a file of a format; the test is skipped where a library that writes it is not installed."""
    maker, needed = MAKERS[name]
    for library in needed:
        pytest.importorskip(library, reason=f"the library {library} is not installed")
    return maker(network, folder)
