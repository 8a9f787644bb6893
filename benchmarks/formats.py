"""Marked networks through the real tools: what each makes of one, and how many bits are read; the tables of docs/formats.md.

``python benchmarks/formats.py [WORD]``, with onnx, onnxscript, onnxruntime, openvino, nncf, gguf, h5py, keras, msgpack,
coremltools and orbax-checkpoint installed beside modelmark, and bitsandbytes, compressed-tensors, torchao and peft for the
second table; what is missing is left out with a line that says so. A word leaves out the rows without it. Nothing is trained;
seeds are fixed.

The mark of ``uchida`` is a least-norm change of the mean filter: strong until every projection is 3 deviations of a natural one,
thin until 0.3. The mark of ``spread`` is what the scheme makes of a network of this size.
"""

import copy
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.marks.reading import read
from modelmark.networks import layers
from modelmark.schemes import spread
from modelmark.schemes.base import Material
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.files import WeightFile, open_weights
from modelmark.suspects.state import State

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import formats as makers  # the writers that the tests use
import packing

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
BITS = 128


class Net(nn.Module):
    """A convolution of 64 filters with batch norm, whose factors differ tenfold, between others."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.conv = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, bias=False)
        self.bn, self.fc, self.head = nn.BatchNorm2d(64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.bn.weight.data = 0.2 * 10 ** torch.rand(64)
        self.bn.running_var.uniform_(0.5, 2)
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        x = torch.relu(self.bn(self.conv(torch.relu(self.stem(x)))))
        return self.head(torch.relu(self.fc(x.mean((2, 3)))))


def marked(margin: float, build: type[nn.Module] = Net, layer: str = "conv") -> tuple[nn.Module, object, np.ndarray]:
    """Return a network of which a layer carries bits by at least ``margin`` deviations of a natural projection."""
    network, message = build(), np.random.default_rng(0).integers(0, 2, BITS)
    scheme = Uchida(layer=layer, bits=BITS).for_model(network, FEED, {})
    carriers = Key(scheme, Secret(bytes(32)), FEED).carriers
    rows = layers.weight(network, layer).data.flatten(1)
    projection = torch.from_numpy(carriers.matrix / 65536).float()
    signs, natural = 2.0 * torch.from_numpy(message) - 1, projection @ rows.mean(dim=0)
    wanted = torch.maximum(natural * signs, margin * natural.std()) * signs
    rows += torch.linalg.lstsq(projection, (wanted - natural).float()).solution
    return network, carriers, message


def spread_marked(build: type[nn.Module] = Net) -> tuple[nn.Module, object, np.ndarray]:
    network, secret = build(), Secret(bytes(32))
    scheme = Spread().for_model(network, FEED, {})
    carriers = scheme.carriers(Material(secret, FEED, scheme.collect(secret, network, None)))
    message = np.random.default_rng(0).integers(0, 2, scheme.bits)
    spread.imprint(network, carriers, message, scheme.strength)
    return network, carriers, message


def dynamo(network: nn.Module, folder: Path) -> Path:
    torch.onnx.export(network, (makers.PICTURE,), folder / "d.onnx")
    return folder / "d.onnx"


def optimised(network: nn.Module, folder: Path) -> Path:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(folder / "o.onnx"), 3
    source = str(makers.onnx(network, folder, do_constant_folding=False))
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return folder / "o.onnx"


def dynamic(network: nn.Module, folder: Path) -> Path:
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(makers.onnx(network, folder), folder / "q.onnx")
    return folder / "q.onnx"


def static(network: nn.Module, folder: Path) -> Path:
    from onnxruntime import quantization

    class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        left = 2

        def get_next(self) -> dict[str, np.ndarray] | None:
            """Return a picture."""
            self.left -= 1
            return (
                {"input.1": np.random.default_rng(0).standard_normal((1, 1, 8, 8), np.float32)}
                if self.left >= 0
                else None
            )

    source = makers.onnx(network, folder, input_names=["input.1"])
    quantization.quantize_static(source, folder / "s.onnx", Pictures(), per_channel=True)
    return folder / "s.onnx"


def nncf(network: nn.Module, folder: Path) -> Path:
    import nncf
    import openvino

    compressed = nncf.compress_weights(openvino.convert_model(network, example_input=makers.PICTURE))
    openvino.save_model(compressed, folder / "n.xml")
    return folder / "n.xml"


KERAS = """
import sys, numpy as np, keras
w = np.load(sys.argv[1] + "/w.npz")
L = keras.layers
stem, conv = L.Conv2D(32, 3, padding="same", activation="relu"), L.Conv2D(64, 3, use_bias=False)
bn, fc, head = L.BatchNormalization(), L.Dense(64, activation="relu"), L.Dense(10)
m = keras.Sequential([keras.Input((8, 8, 1)), stem, conv, bn, L.ReLU(), L.GlobalAveragePooling2D(), fc, head])
for layer, name in ((stem, "stem"), (conv, "conv"), (fc, "fc"), (head, "head")):
    k = w[name + ".weight"]
    layer.kernel.assign(k.transpose(2, 3, 1, 0) if k.ndim == 4 else k.T)
m.save(sys.argv[2])
"""


def keras(ending: str):
    def write(network: nn.Module, folder: Path) -> Path:
        np.savez(folder / "w.npz", **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
        words = [sys.executable, "-W", "ignore", "-c", KERAS, str(folder), str(folder / f"m{ending}")]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, "KERAS_BACKEND": "torch"})
        return folder / f"m{ending}"

    return write


def coreml(bits: int = 0):
    def write(network: nn.Module, folder: Path) -> Path:
        import coremltools
        from coremltools.optimize import coreml

        given = [coremltools.TensorType(shape=(1, 1, 8, 8), dtype=np.float32)]
        traced = torch.jit.trace(network, makers.PICTURE)
        model = coremltools.convert(traced, inputs=given, minimum_deployment_target=coremltools.target.iOS18)
        if bits:
            config = coreml.OpPalettizerConfig(nbits=bits, weight_threshold=0)
            model = coreml.palettize_weights(model, coreml.OptimizationConfig(config))
        model.save(str(folder / "m.mlpackage"))
        return folder / "m.mlpackage"

    return write


ORBAX = """
import sys, numpy as np, orbax.checkpoint as ocp
w = np.load(sys.argv[1] + "/w.npz")
kernels = {name[:-7]: w[name] for name in w if name.endswith(".weight") and w[name].ndim > 1}
turned = {name: {"kernel": k.transpose(2, 3, 1, 0) if k.ndim == 4 else k.T} for name, k in kernels.items()}
ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(sys.argv[2], {"params": turned})
"""


def orbax(network: nn.Module, folder: Path) -> Path:
    np.savez(folder / "w.npz", **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
    words = [sys.executable, "-W", "ignore", "-c", ORBAX, str(folder), str(folder / "o")]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    return folder / "o"


def distributed(network: nn.Module, folder: Path) -> Path:
    import torch.distributed.checkpoint

    torch.distributed.checkpoint.save({"model": network.state_dict()}, checkpoint_id=folder / "d", no_dist=True)
    return folder / "d"


# what is done, the packages that do it, how
TOOLS = (
    ("torch.onnx.export, default", ("onnxscript",), dynamo),
    ("torch.onnx.export, dynamo=False", ("torch",), makers.onnx),
    ("onnxruntime, optimised at its default level", ("onnxruntime",), optimised),
    ("onnxruntime quantize_dynamic", ("onnxruntime",), dynamic),
    ("onnxruntime quantize_static, a scale a filter", ("onnxruntime",), static),
    ("OpenVINO save_model", ("openvino",), makers.openvino),
    ("NNCF compress_weights", ("nncf", "openvino"), nncf),
    ("GGUF, F16", ("gguf",), lambda network, folder: makers.gguf(network, folder, "F16")),
    ("Keras, .keras", ("keras", "h5py"), keras(".keras")),
    ("Keras, .h5", ("keras", "h5py"), keras(".h5")),
    ("Flax's msgpack (our writer)", ("msgpack",), makers.flax),
    ("torch.export.save", ("torch",), makers.exported),
    ("torch.jit.script", ("torch",), makers.scripted),
    ("torch.jit.freeze", ("torch",), makers.frozen),
    ("numpy.savez", ("numpy",), makers.numpy),
    ("coremltools, ML program", ("coremltools",), coreml()),
    ("coremltools, palettes of 16", ("coremltools",), coreml(bits=4)),
    ("Orbax, kernels as Flax has them", ("orbax-checkpoint", "tensorstore"), orbax),
    ("torch.distributed.checkpoint", ("torch",), distributed),
)  # fmt: skip


def bits(file: WeightFile, carriers: object, message: np.ndarray) -> tuple[int, int]:
    """Return the bits of the best reading, and the number of readings."""
    tables = read(carriers, State(file)).scores  # type: ignore[arg-type]
    return max(int((table.symbols == message).sum()) for table in tables), len(tables)


def naive(path: Path, carriers: object, message: np.ndarray) -> str:
    """Return the bits of a layer as its file stores it, a dash where no tensor has its size."""
    from modelmark.errors import MismatchError
    from modelmark.suspects.files import safetensors

    if path.is_dir():
        path = path.parent / "model.safetensors"  # the base alone
    try:
        tables = read(carriers, State(safetensors.opened(path))).scores  # type: ignore[arg-type]
    except MismatchError:
        return "-"
    return str(max(int((table.symbols == message).sum()) for table in tables))


def table(cases: list, tools: tuple, shape: tuple[int, ...], word: str, *, naively: bool) -> None:
    """Print a row for each tool."""
    layer = "linear layer" if naively else "convolution"
    more = "strong, as stored | " if naively else ""
    print(f"| tool | version | the {layer} is called | shape, type there | {more}strong | thin | spread |")
    print("|---|---|---|---|---|---|---|" + ("---|" if naively else ""))
    for what, packages, write in tools:
        if word not in what:
            continue
        try:
            versions = ", ".join(importlib.metadata.version(package) for package in packages)
        except importlib.metadata.PackageNotFoundError as error:
            print(f"| {what} | not run: {error.name} is not installed | | | | | |")
            continue
        found = []
        for number, (network, carriers, message) in enumerate(cases):
            with tempfile.TemporaryDirectory() as scratch:
                path = write(copy.deepcopy(network), Path(scratch))
                base = path.parent / "model.safetensors" if path.name == "adapter" else None
                file = open_weights(path, base)
                best, readings = bits(file, carriers, message)
                if naively and not number:
                    found.append(naive(path, carriers, message))
                found.append(f"{best} of {len(message)}" + (f" ({readings} readings)" if readings > 1 else ""))
                name = next(name for name, size in file.shapes.items() if size == shape)
                sizes = "x".join(map(str, file.stored.get(name, file.shapes[name])))
        print(f"| {what} | {versions} | `{name}` | {sizes}, {file.types[name]} | {' | '.join(found)} |", flush=True)


def main(word: str = "") -> None:
    warnings.simplefilter("ignore")
    cases = [marked(3), marked(0.3), spread_marked()]
    table(cases, TOOLS, (64, 32, 3, 3), word, naively=False)
    print()
    linear = packing.Linears
    cases = [marked(3, linear, "up"), marked(0.3, linear, "up"), spread_marked(linear)]
    table(cases, packing.PACKERS, (192, 256), word, naively=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
