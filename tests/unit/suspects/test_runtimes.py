"""Programs in files, asked through the runtimes that run them: the same answers as the network they were exported from."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from formats import Answering
from modelmark.errors import MalformedError, MismatchError, MissingPackageError, SuspectError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.texts import TextFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.models import build
from modelmark.naming import library
from modelmark.suspects.base import ABSTAIN, Ask, AskBeyond, Read
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.places import Place
from modelmark.suspects.runtimes import runner
from modelmark.suspects.runtimes.running import Ports, Running

FACE = PictureFeed((1, 8, 8), tuple("0123456789"), mean=(1307,), std=(3081,))
PICTURES = np.random.default_rng(0).integers(0, 256, (70, 1, 8, 8), dtype=np.uint8)
SENTENCES = TextFeed((1,), ("a", "b"))
LITERT = Path(__file__).with_name("from_litert")


def opened(path):
    return runner(path)(path)


def onnx_file(network, path, example=None, **how):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="the library onnx is not installed")
    example = torch.zeros(1, 1, 8, 8) if example is None else example
    torch.onnx.export(network.eval(), (example,), path, dynamo=False, **how)
    return path


def openvino_file(network, path, example=None):
    library = pytest.importorskip("openvino", reason="openvino is not installed")
    example = torch.zeros(1, 1, 8, 8) if example is None else example
    library.save_model(library.convert_model(network.eval(), example_input=example), path)
    return path


def litert_file(network, path):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    library = pytest.importorskip("litert_torch", reason="litert-torch, which writes TFLite, is not installed")
    library.convert(network.eval(), (torch.zeros(1, 1, 8, 8),)).export(str(path))
    return path


WRITERS = {"m.onnx": onnx_file, "m.xml": openvino_file, "m.tflite": litert_file}
PLANES = np.sign(PICTURES[:, 0] - 99.0).astype(np.int8)
PROBES = {"asked": Ask(FACE, PICTURES), "beyond": AskBeyond(FACE, PICTURES, PLANES, 2000)}
pytestmark = pytest.mark.filterwarnings("ignore")  # exporters warn of themselves


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_the_same_answers_as_the_network_that_was_exported(name, probe, tmp_path):
    network = Answering()
    suspect = Running(opened(WRITERS[name](network, tmp_path / name)))
    (expected,) = WhiteBox(network).observe(probe)
    assert len(set(expected.tolist())) > 1
    assert suspect.observe(probe)[0].tolist() == expected.tolist()
    assert suspect.queries == 70
    assert next(iter(suspect.notes)).startswith("asked as ")


@pytest.mark.slow  # every day, the same answers to probes of either kind, above
@pytest.mark.parametrize("scheme", ["adi", "coupled", "deepsigns-blackbox", "null"])
def test_a_marked_network_answers_alike_through_every_runtime(scheme, stolen, tmp_path):
    """Every query of every scheme that asks, as torch answers it: no rounding of a runtime changes a label."""
    mark, network = stolen(scheme)
    expected = [WhiteBox(network).observe(probe)[0].tolist() for probe in mark.carriers.probes()]
    tried = 0
    for name, writer in WRITERS.items():
        try:
            suspect = Running(opened(writer(network, tmp_path / name)))
        except pytest.skip.Exception:
            continue
        tried += 1
        assert [suspect.observe(probe)[0].tolist() for probe in mark.carriers.probes()] == expected, name
        assert mark.evidence(suspect).established
    if not tried:
        pytest.skip("no runtime is installed with what writes its files")


def test_tflite_as_litert_torch_wrote_it():
    """The file beside is ``Answering()`` by litert-torch 0.10.0."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    found = Running(opened(LITERT / "answering.tflite")).observe(Ask(FACE, PICTURES))
    assert found[0].tolist() == WhiteBox(Answering()).observe(Ask(FACE, PICTURES))[0].tolist()


class Last(nn.Module):
    """Channels last, bytes in, as servers are given them; what comes out is chosen."""

    def __init__(self, network, out=lambda scores: scores, mean=0.1307, std=0.3081):
        super().__init__()
        self.network, self.out, self.mean, self.std = network, out, mean, std

    def forward(self, x):
        return self.out(self.network((x.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std))


@pytest.mark.parametrize(
    "out",
    [lambda s: s, lambda s: s.softmax(1), lambda s: s.argmax(1), lambda s: (s.argmax(1), s), lambda s: (s, s.sum(1))],
)
def test_order_of_axes_type_and_output_are_told_from_the_file(out, tmp_path):
    network = Answering()
    path = onnx_file(Last(network, out), tmp_path / "m.onnx", torch.zeros(1, 8, 8, 1, dtype=torch.uint8),
                     dynamic_axes={"x": {0: "n"}}, input_names=["x"])  # fmt: skip
    found = Running(opened(path)).observe(Ask(FACE, PICTURES))
    assert found[0].tolist() == WhiteBox(network).observe(Ask(FACE, PICTURES))[0].tolist()


class Ranged(nn.Module):
    def __init__(self, network, back):
        super().__init__()
        self.network, self.back = network, back

    def forward(self, x):
        return self.network((self.back(x) - 0.1307) / 0.3081)


@pytest.mark.parametrize(
    ("values", "back"), [("unit", lambda x: x), ("signed", lambda x: (x + 1) / 2), ("bytes", lambda x: x / 255)]
)
def test_a_range_that_no_file_tells_is_said(values, back, tmp_path):
    network = Answering()
    path = onnx_file(Ranged(network, back), tmp_path / "m.onnx")
    probe = Ask(FACE, PICTURES)
    (expected,) = WhiteBox(network).observe(probe)
    assert Running(opened(path), ports=Ports(values=values)).observe(probe)[0].tolist() == expected.tolist()
    assert Running(opened(path)).observe(probe)[0].tolist() != expected.tolist()


def test_class_names_put_another_order_right(tmp_path):
    order = [3, 0, 7, 9, 1, 2, 8, 4, 6, 5]
    network = Answering()

    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            scores = self.network(x)
            return torch.cat([torch.zeros_like(scores[:, :1]) - 50, scores[:, order]], dim=1)

    suspect = opened(onnx_file(Other(), tmp_path / "m.onnx"))
    names = ["background", *(str(number) for number in order)]
    probe = Ask(FACE, PICTURES)
    assert Running(suspect, names).observe(probe)[0].tolist() == WhiteBox(network).observe(probe)[0].tolist()
    with pytest.raises(SuspectError, match="expected scores of 10 classes from the suspect, got 11") as caught:
        Running(suspect).observe(probe)
    assert "--labels FILE" in caught.value.hint
    with pytest.raises(
        MismatchError, match="expected each of the key's 10 classes once in the labels, got '5' 0 times"
    ):
        Running(suspect, names[:-1]).observe(probe)


def test_tokens_with_the_mask_that_exporters_leave(tmp_path):
    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.table, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

        def forward(self, input_ids, attention_mask):
            return self.head((self.table(input_ids) * attention_mask[..., None]).mean(1))

    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    feed, network = TokenFeed((7,), tuple("abc"), 50), Language()
    example = torch.zeros(1, 7, dtype=torch.int64), torch.ones(1, 7, dtype=torch.int64)
    torch.onnx.export(network, example, tmp_path / "m.onnx", dynamo=False, input_names=["input_ids", "attention_mask"])
    probe = Ask(feed, np.random.default_rng(0).integers(0, 50, (20, 7)).astype(np.int32))
    inputs = torch.from_numpy(probe.inputs.astype(np.int64))
    expected = network(inputs, torch.ones_like(inputs)).argmax(1)
    assert Running(opened(tmp_path / "m.onnx")).observe(probe)[0].tolist() == expected.tolist()


def test_what_does_not_fit_is_refused_in_a_line(tmp_path):
    suspect = opened(onnx_file(Answering(), tmp_path / "m.onnx"))
    with pytest.raises(MismatchError, match="the suspect's weights"):
        Running(suspect).observe(Read(Place("1", 4)))
    with pytest.raises(MismatchError, match=r"expected an input of 3x16x16, the file has .* float32 1x1x8x8"):
        Running(suspect).observe(Ask(PictureFeed((3, 16, 16), FACE.class_names), np.zeros((1, 3, 16, 16), np.uint8)))
    with pytest.raises(MismatchError, match="expected an input that takes texts"):
        Running(suspect).observe(Ask(SENTENCES, SENTENCES.example(2)))
    with pytest.raises(MismatchError, match="expected one input picture, the file has"):
        Running(suspect, ports=Ports(input="picture")).observe(Ask(FACE, PICTURES))
    with pytest.raises(MismatchError, match="expected one output scores with"):
        Running(suspect, ports=Ports(output="scores")).observe(Ask(FACE, PICTURES))
    broken = Last(Answering(), lambda scores: scores * torch.nan)
    nothing = onnx_file(broken, tmp_path / "n.onnx", torch.zeros(1, 8, 8, 1, dtype=torch.uint8))
    with pytest.raises(SuspectError, match="got NaN, infinity or other classes alone"):
        Running(opened(nothing)).observe(Ask(FACE, PICTURES))
    half = Last(Answering(), lambda scores: torch.where(scores[:, :1] > 0, scores, torch.nan))
    some = Running(opened(onnx_file(half, tmp_path / "h.onnx", torch.zeros(1, 8, 8, 1, dtype=torch.uint8))))
    (found,) = some.observe(Ask(FACE, PICTURES))
    assert 0 < (none := int((found == ABSTAIN).sum())) < 70
    assert f"{none} of 70 answers are no class of the key and count as none" in some.notes


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_files_are_refused(name, tmp_path):
    path = WRITERS[name](Answering(), tmp_path / name)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(MalformedError, match="expected") as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_a_runtime_that_is_not_installed_is_named_and_weights_have_none(tmp_path):
    with pytest.raises(MissingPackageError, match="expected no-such to be installed") as caught:
        library("no_such.interpreter", "nor_this", extra="litert")
    assert caught.value.hint == "pip install 'modelmark[litert]'"
    torch.save(build("cnn", (1, 8, 8), 10, seed=0).state_dict(), tmp_path / "w.pt")
    assert runner(tmp_path / "w.pt") is None
    assert runner(tmp_path) is None


def test_no_runtime_tells_its_makers_that_it_is_used(tmp_path):
    """``import openvino`` sends an event to a counting service unless the package that does so is missing."""
    (tmp_path / "openvino_telemetry.py").write_text("")
    (tmp_path / "openvino.py").write_text(
        "try:\n    import openvino_telemetry\n    told = True\nexcept ImportError:\n    told = False\n"
    )
    code = "import openvino; print(openvino.told)"
    ours = "from modelmark.naming import library; print(library('openvino', extra='openvino').told)"
    for text, said in ((code, "True"), (ours, "False")):
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, env=environment)
        assert run.stdout.strip() == said
