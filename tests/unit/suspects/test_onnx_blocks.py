"""Filters in blocks, as onnxruntime's optimiser writes them for the processor that it runs on, whatever the block is."""

import numpy as np
import pytest
import torch

from modelmark.suspects.files import open_weights
from modelmark.suspects.files.blocked import block_size, filled, unblocked

onnx = pytest.importorskip("onnx", reason="the library onnx is not installed")
RNG = np.random.default_rng(0)


def in_blocks(filters, size):
    """Return what a processor with blocks of ``size`` channels is given, zeros where a block is not full."""
    outputs, inputs, *kernel = filters.shape
    over, under = -outputs % size, -inputs % size if inputs >= size else 0
    full = np.pad(filters, ((0, over), (0, under), (0, 0), (0, 0)))
    outputs, inputs = full.shape[:2]
    if inputs < size:
        return full.reshape(outputs // size, size, inputs, *kernel).transpose(0, 2, 3, 4, 1).reshape(full.shape)
    blocks = full.reshape(outputs // size, size, inputs // size, size, *kernel)
    return blocks.transpose(0, 2, 4, 5, 3, 1).reshape(full.shape)


def filters(outputs, inputs, *, uneven=True):
    """Return filters of which some are larger than others, as in a trained network."""
    found = RNG.standard_normal((outputs, inputs, 3, 3)).astype(np.float32)
    return found * RNG.uniform(0.3, 2, (outputs, 1, 1, 1)).astype(np.float32) if uneven else found


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("widths", [(1, 32, 48, 64), (3, 20, 10, 6), (3, 40, 24, 12), (1, 16, 16, 16)])
def test_blocks_are_put_in_a_row_and_what_fills_them_is_left_out(widths, size):
    given = [filters(*pair) for pair in zip(widths[1:], widths, strict=False)]
    stored = [in_blocks(one, size) for one in given]
    assert block_size([(one.shape, lambda one=one: one) for one in stored]) == size
    for one, expected in zip(stored, given, strict=True):
        found = unblocked(one, size)
        more = filled(found, size)
        assert np.array_equal(found[: len(found) - more[0], : found.shape[1] - more[1]], expected)


def test_sizes_alone_say_where_only_one_fits():
    blank = lambda *shape: (shape, lambda: np.zeros(shape, np.float32))  # noqa: E731
    assert block_size([blank(24, 8, 3, 3)]) == 8
    assert block_size([blank(16, 10, 3, 3)]) == 16
    assert block_size([blank(16, 16, 3, 3), blank(12, 16, 3, 3)]) is None
    assert block_size([blank(16, 16, 3)]) is None


def test_a_filter_that_is_off_is_kept_unless_it_fills_a_block():
    off = filters(32, 16)
    off[5] = off[:, 7] = 0
    assert filled(off, 16) == (0, 0)
    assert filled(np.zeros((32, 16, 3, 3), np.float32), 16) == (0, 0)


def test_numbers_that_are_none_decide_nothing():
    wrong = np.full((16, 16, 1, 1), np.inf, np.float32)
    assert block_size([((16, 16, 1, 1), lambda: wrong)]) == 16
    assert block_size([((0, 16, 1, 1), lambda: wrong[:0])]) is None


def test_filters_that_come_turned_into_a_blocked_node_are_left_as_they_are(tmp_path):
    """No exporter writes that; a file from outside may."""
    nodes = [
        onnx.helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0, 2, 3]),
        onnx.helper.make_node("Conv", ["x", "t"], ["y"], domain="com.microsoft.nchwc"),
    ]
    tensor = onnx.numpy_helper.from_array(filters(12, 16), "w")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], [tensor])), tmp_path / "w")
    file = open_weights(tmp_path / "w")
    assert file.shapes["w"] == (16, 12, 3, 3)
    assert file.tensor("w").shape == (16, 12, 3, 3)


@pytest.mark.filterwarnings("ignore")
def test_what_this_processor_makes_of_channels_that_fill_no_block(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(*pair, 3, bias=False) for pair in ((3, 20), (20, 10), (10, 6))]
    with torch.no_grad():
        for layer in layers:
            layer.weight *= torch.linspace(0.3, 2, len(layer.weight))[:, None, None, None]
    network = torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU()))).eval()
    torch.onnx.export(network, (torch.zeros(1, 3, 12, 12),), tmp_path / "w", dynamo=False)
    options = runtime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "out"), 3
    runtime.InferenceSession(tmp_path / "w", options, providers=["CPUExecutionProvider"])
    file = open_weights(tmp_path / "out")
    assert any(note.startswith("blocks of ") for note in file.notes)
    for layer, name in zip(layers, file.shapes, strict=False):
        assert file.shapes[name] == tuple(layer.weight.shape)
        assert np.array_equal(file.tensor(name), layer.weight.detach().numpy())
