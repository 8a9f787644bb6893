"""ONNX as its own tools write it: numbers inside and beside, turned matrices, integers and their scales; nothing runs."""

import numpy as np
import pytest
import torch

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read, ReadEach
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

onnx = pytest.importorskip("onnx", reason="the library onnx is not installed")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model(nodes, tensors):
    """Return a model of nodes, each (op, inputs, attributes), and tensors, arrays by name or protos."""
    made = [
        helper.make_node(op, inputs, [f"out{number}"], **attributes)
        for number, (op, inputs, attributes) in enumerate(nodes)
    ]
    kept = [
        given if isinstance(given, onnx.TensorProto) else numpy_helper.from_array(given, name)
        for name, given in tensors.items()
    ]
    return helper.make_model(helper.make_graph(made, "g", [], [], kept), producer_name="test")


def saved(path, nodes, tensors, **how):
    onnx.save(model(nodes, tensors), path, **how)
    return path


def test_numbers_inside_and_beside_are_the_same_and_in_the_order_of_the_nodes(tmp_path):
    tensors = {"z": values(4, 2, 3, 3), "bias": values(4), "a": values(5, 4), "n": np.array([3, -7], np.int64)}
    nodes = [("Conv", ["x", "z", "bias"], {}), ("Gemm", ["out0", "a"], {"transB": 1})]
    inside = saved(tmp_path / "inside", nodes, tensors)
    outside = saved(
        tmp_path / "outside", nodes, tensors, save_as_external_data=True, location="o.data", size_threshold=0
    )
    for path in (inside, outside):
        file = open_weights(path)
        assert file.what == "ONNX (test)"
        assert list(file.shapes) == ["z", "a", "bias", "n"]
        assert all(np.array_equal(file.tensor(name), array) for name, array in tensors.items())
    assert open_weights(inside).digest == open_weights(outside).digest
    (tmp_path / "o.data").unlink()
    with pytest.raises(MalformedError, match=r"expected o\.data beside outside"):
        open_weights(outside)


@pytest.mark.parametrize(
    "kind", ["FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL", "FLOAT8E4M3FN"]
)
@pytest.mark.parametrize("raw", [False, True])
def test_every_type_however_its_numbers_are_written(kind, raw, tmp_path):
    number = getattr(onnx.TensorProto, kind)
    given = np.array([[0, 1, 1], [1, 0, 5]]).astype(helper.tensor_dtype_to_np_dtype(number))
    proto = (
        helper.make_tensor("a", number, given.shape, given.tobytes(), raw=True)
        if raw
        else helper.make_tensor("a", number, given.shape, given.flatten())
    )
    file = open_weights(saved(tmp_path / "w", [], {"a": proto}))
    assert np.array_equal(file.tensor("a").astype(np.float32), given.astype(np.float32))


def test_negative_numbers_in_a_packed_field(tmp_path):
    proto = helper.make_tensor("a", onnx.TensorProto.INT8, (2, 2), [-1, 2, -128, 127])
    assert open_weights(saved(tmp_path / "w", [], {"a": proto})).tensor("a").tolist() == [[-1, 2], [-128, 127]]


def test_four_bits_two_in_a_byte(tmp_path):
    for kind, least in (("INT4", -8), ("UINT4", 0)):
        numbers = [least, least + 15, 3, 0, 7]
        proto = helper.make_tensor("a", getattr(onnx.TensorProto, kind), (5,), numbers, raw=False)
        for kept in (proto, numpy_helper.from_array(numpy_helper.to_array(proto), "a")):
            assert open_weights(saved(tmp_path / "w", [], {"a": kept})).tensor("a").tolist() == numbers


# op, attributes, shape in the file, and how the filters are rows of it
TURNS = {
    "Conv": ({}, (6, 6, 3, 3), lambda w: w),
    "ConvTranspose": ({}, (6, 6, 3, 3), lambda w: w.transpose(1, 0, 2, 3)),
    "Gemm rows": ({"transB": 1}, (6, 6), lambda w: w),
    "Gemm": ({}, (6, 6), lambda w: w.T),
    "MatMul": ({}, (6, 6), lambda w: w.T),
}


@pytest.mark.parametrize("turn", TURNS)
def test_the_node_says_which_axis_counts_the_filters_even_of_square_matrices(turn, tmp_path):
    attributes, shape, rows = TURNS[turn]
    given = values(*shape)
    file = open_weights(saved(tmp_path / "w", [(turn.split()[0], ["x", "w"], attributes)], {"w": given}))
    expected = rows(given).reshape(6, -1)
    for layout in ((0, 0), (0, 1)):  # whatever the owner's own network has
        (found,) = State(file).observe(Read(Place("elsewhere", expected.shape[1], layout=layout)))
        assert np.array_equal(found, expected)


def test_a_transpose_between_is_undone(tmp_path):
    given = values(6, 6)
    nodes = [("Transpose", ["w"], {"perm": [1, 0]}), ("MatMul", ["x", "out0"], {})]
    file = open_weights(saved(tmp_path / "w", nodes, {"w": given}))
    assert np.array_equal(file.tensor("w"), given)


@pytest.mark.parametrize("scale", [np.float32(0.5), values(4) ** 2 + 1, None], ids=["tensor", "filter", "block"])
@pytest.mark.parametrize("zero", [0, 3])
def test_integers_are_the_numbers_that_they_stand_for(scale, zero, tmp_path):
    codes = RNG.integers(0, 15, (4, 6)).astype(np.uint8)
    blocks = {} if scale is not None else {"block_size": 3}
    scale = values(4, 2) ** 2 + 1 if scale is None else np.asarray(scale)
    zeros = np.full(scale.shape, zero, np.uint8)
    axis = 1 if blocks else 0
    nodes = [("DequantizeLinear", ["w", "s", "z"], {"axis": axis, **blocks}), ("Gemm", ["x", "out0"], {"transB": 1})]
    file = open_weights(saved(tmp_path / "w", nodes, {"w": codes, "s": scale, "z": zeros}))
    wide = np.repeat(scale, 3, axis=1) if blocks else (scale.reshape(-1, 1) if scale.ndim else scale)
    assert np.allclose(file.tensor("w"), (codes.astype(np.float32) - zero) * wide)
    assert file.types["w"] == "uint8"
    assert file.notes == ("integers read by their scales: 1 tensor",)


def test_weights_in_nodes_are_tensors_too(tmp_path):
    given = values(3, 4)
    constant = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(given))
    used = helper.make_node("MatMul", ["x", "w"], ["y"])
    onnx.save(helper.make_model(helper.make_graph([constant, used], "g", [], [])), tmp_path / "w")
    assert np.array_equal(open_weights(tmp_path / "w").tensor("w"), given.T)


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.conv = torch.nn.Conv2d(1, 16, 3), torch.nn.Conv2d(16, 24, 3, bias=False)
        self.bn, self.fc = torch.nn.BatchNorm2d(24), torch.nn.Linear(24, 24, bias=False)
        self.bn.running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.fc(torch.relu(self.bn(self.conv(torch.relu(self.stem(x))))).mean((2, 3)))

    @property
    def folded(self):
        """The convolution with batch norm's factors, as exporters fold them."""
        factor = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        return (self.conv.weight * factor[:, None, None, None]).detach()


def exported(path, **how):
    network = Small().eval()
    torch.onnx.export(network, (torch.zeros(1, 1, 8, 8),), path, dynamo=False, **how)
    return network


@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports(tmp_path):
    network = exported(tmp_path / "folded")
    file = open_weights(tmp_path / "folded")
    filters = [(1, 9, network.stem.weight), (16, 144, network.folded), (24, 24, network.fc.weight)]
    places = tuple(Place(path, width) for path, (_, width, _) in zip(("stem", "conv", "fc"), filters, strict=True))
    state = State(file)
    (found,) = state.observe(ReadEach(places, (16, 24, 24)))
    for rows, (_, _, expected) in zip(found, filters, strict=True):
        assert np.allclose(rows[:], expected.detach().flatten(1).numpy(), atol=1e-6)
    assert any("layers of the key's names, 2 read by their sizes and order" in note for note in state.notes)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("written", ["dynamic", "static", "operators", "blocked"])
def test_what_onnxruntime_makes_of_it(written, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    quantization = pytest.importorskip("onnxruntime.quantization")
    network = exported(tmp_path / "w", do_constant_folding=written != "blocked")

    class Pictures(quantization.CalibrationDataReader):
        left = 2

        def get_next(self):
            self.left -= 1
            name = onnx.load(tmp_path / "w").graph.input[0].name
            return {name: values(1, 1, 8, 8)} if self.left >= 0 else None

    out = tmp_path / "out"
    if written == "dynamic":
        quantization.quantize_dynamic(tmp_path / "w", out)
    elif written == "blocked":
        options = runtime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(out), 3
        runtime.InferenceSession(tmp_path / "w", options, providers=["CPUExecutionProvider"])
    else:
        how = quantization.QuantFormat.QDQ if written == "static" else quantization.QuantFormat.QOperator
        quantization.quantize_static(tmp_path / "w", out, Pictures(), quant_format=how, per_channel=True)
    file = open_weights(out)
    (found,) = State(file).observe(Read(Place("conv", 144)))
    expected = network.folded.flatten(1).numpy()
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


@pytest.mark.parametrize("location", ["../w.data", "/etc/passwd", "a/../../w", "..\\w", "a\0b", "C:w", ""])
def test_numbers_outside_of_the_folder_are_refused(location, tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(16))
    proto = numpy_helper.from_array(values(2, 2), "w")
    proto.ClearField("raw_data")
    proto.data_location = onnx.TensorProto.EXTERNAL
    proto.external_data.add(key="location", value=location)
    (tmp_path / "folder").mkdir()
    with pytest.raises(MalformedError, match="expected the numbers of w beside"):
        open_weights(saved(tmp_path / "folder" / "m", [], {"w": proto}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda proto: proto.dims.__setitem__(0, 2**40), "expected .* bytes of w"),
        (lambda proto: proto.dims.__setitem__(0, -1), "expected the shape of w"),
        (lambda proto: proto.dims.extend([1] * 70), "expected the shape of w"),
        (lambda proto: proto.dims.__setitem__(0, 0), "expected 0 bytes of w"),
    ],
)
def test_sizes_that_lie(change, says, tmp_path):
    proto = numpy_helper.from_array(values(2, 2), "w")
    change(proto)
    with pytest.raises(MalformedError, match=says):
        open_weights(saved(tmp_path / "w", [], {"w": proto}))


def test_a_place_beside_that_is_too_short(tmp_path):
    saved(tmp_path / "w", [], {"a": values(64, 64)}, save_as_external_data=True, location="d", size_threshold=0)
    (tmp_path / "d").write_bytes(bytes(100))
    with pytest.raises(MalformedError, match=r"expected a to end at byte 16384 of .*d, it has 100"):
        open_weights(tmp_path / "w")


def test_a_name_that_stands_twice(tmp_path):
    made = model([], {"a": values(2)})
    made.graph.initializer.append(numpy_helper.from_array(values(2), "a"))
    onnx.save(made, tmp_path / "w")
    with pytest.raises(MalformedError, match="'a' twice"):
        open_weights(tmp_path / "w")


def test_more_fields_than_any_graph_has(tmp_path, monkeypatch):
    monkeypatch.setattr("modelmark.suspects.files.protobuf.MOST_FIELDS", 100)
    with pytest.raises(MalformedError, match="expected at most 100 fields"):
        open_weights(saved(tmp_path / "w", [("Relu", ["x"], {})] * 50, {}))


def test_nodes_in_a_circle_end(tmp_path):
    nodes = [("Identity", ["out1"], {}), ("Identity", ["out0"], {}), ("MatMul", ["x", "out1"], {})]
    assert open_weights(saved(tmp_path / "w", nodes, {"a": values(2, 2)})).names == ["a"]


@pytest.mark.parametrize("is_shared", [False, True])
def test_weights_in_the_branches_of_an_if_are_read(is_shared, tmp_path):
    """As a public voice detector has them, for two sampling rates; both branches may call their weights alike."""
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = [np.random.default_rng(number).standard_normal((4, 3, 3, 3)).astype(np.float32) for number in (0, 1)]

    def branch(number):
        name = "conv.weight" if is_shared else f"conv{number}.weight"
        made = f"y{number}"
        node = helper.make_node("Conv", ["x", name], [made])
        output = helper.make_tensor_value_info(made, kinds.FLOAT, None)
        kept = onnx.numpy_helper.from_array(weights[number], name)
        return helper.make_graph([node], f"branch{number}", [], [output], [kept])

    node = helper.make_node("If", ["is_slow"], ["y"], then_branch=branch(0), else_branch=branch(1))
    given = [
        helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3, 8, 8]),
        helper.make_tensor_value_info("is_slow", kinds.BOOL, []),
    ]
    graph = helper.make_graph([node], "g", given, [helper.make_tensor_value_info("y", kinds.FLOAT, None)])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    file = open_weights(tmp_path / "m.onnx")
    found = sorted(file.shapes)
    assert {name.rpartition("/")[2] for name in found} == (
        {"conv.weight"} if is_shared else {"conv0.weight", "conv1.weight"}
    )
    assert len(found) == 2
    assert all(any(np.array_equal(file.tensor(name), weight) for name in found) for weight in weights)
    assert file.rows == frozenset(found)


def test_branches_deeper_than_any_network_has_are_left(tmp_path):
    helper, kinds = onnx.helper, onnx.TensorProto
    output = helper.make_tensor_value_info("y", kinds.FLOAT, None)
    kept = onnx.numpy_helper.from_array(np.ones((2, 2), np.float32), "deep.weight")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "deep.weight"], ["y"])], "g", [], [output], [kept])
    for _ in range(20):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=graph)], "g", [], [output])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert not open_weights(tmp_path / "m.onnx").shapes
