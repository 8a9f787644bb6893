"""OpenVINO IR: constants in the file beside, integers with scales and zero points, filters by what the layers do."""

import numpy as np
import pytest

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

RNG = np.random.default_rng(0)
NUMBERS = {"f32": np.float32, "f16": np.float16, "u8": np.uint8, "i8": np.int8, "u4": np.uint8}


def network(folder, layers, edges, change=lambda text: text):
    """Write a network: layers are (name, type, shape, settings or the array of a constant), edges are (from, to, port)."""
    raw, text = b"", []
    for number, (name, kind, shape, given) in enumerate(layers):
        settings = given
        if kind == "Const":
            element, array = given
            data = array.tobytes()
            settings = {"element_type": element, "offset": len(raw), "size": len(data)}
            raw += data
        words = " ".join(f'{key}="{value}"' for key, value in settings.items())
        dims = "".join(f"<dim>{size}</dim>" for size in shape)
        text.append(
            f'<layer id="{number}" name="{name}" type="{kind}"><data {words}/><output><port id="0">{dims}</port></output></layer>'
        )
    lines = "".join(f'<edge from-layer="{a}" from-port="0" to-layer="{b}" to-port="{port}"/>' for a, b, port in edges)
    whole = (
        f'<?xml version="1.0"?><net name="m" version="11"><layers>{"".join(text)}</layers><edges>{lines}</edges></net>'
    )
    (folder / "m.xml").write_text(change(whole))
    (folder / "m.bin").write_bytes(raw)
    return folder / "m.xml"


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


WEIGHT = values(6, 6)
# what a layer does with a constant, its settings, the constant, and the same with filters in rows
TURNS = {
    "MatMul": ({"transpose_b": "true"}, WEIGHT, WEIGHT),
    "MatMul ": ({"transpose_b": "false"}, WEIGHT, WEIGHT.T),
    "Convolution": ({}, k := values(6, 6, 3, 3), k),
    "ConvolutionBackpropData": ({}, k, k.transpose(1, 0, 2, 3)),
    "GroupConvolution": ({}, g := values(6, 2, 1, 3, 3), g.reshape(12, 1, 3, 3)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_the_layer_says_which_axis_counts_the_filters(turn, tmp_path):
    settings, stored, rows = TURNS[turn]
    layers = [
        ("x", "Parameter", (1,), {}),
        ("w", "Const", stored.shape, ("f32", stored)),
        ("y", turn.strip(), (1,), settings),
    ]
    file = open_weights(network(tmp_path, layers, [(0, 2, 0), (1, 2, 1)]))
    expected = rows.reshape(len(rows), -1)
    for layout in ((0, 0), (0, 1)):
        (found,) = State(file).observe(Read(Place("elsewhere", expected.shape[1], layout=layout)))
        assert np.array_equal(found, expected)
    assert (file.what, file.types["w"]) == ("OpenVINO IR", "f32")


@pytest.mark.parametrize("kind", ["u8", "u4"])
def test_integers_with_a_zero_point_and_a_scale_a_filter(kind, tmp_path):
    codes = RNG.integers(0, 16 if kind == "u4" else 256, (6, 6)).astype(np.uint8)
    packed = codes.reshape(-1, 2)[:, 0] | codes.reshape(-1, 2)[:, 1] << 4 if kind == "u4" else codes
    zero, scale = np.full((6, 1), 7, np.uint8), (values(6, 1) ** 2 + 1).astype(np.float16)
    layers = [
        ("x", "Parameter", (1,), {}), ("w", "Const", (6, 6), (kind, packed)), ("a", "Convert", (6, 6), {}),
        ("z", "Const", (6, 1), ("u8", zero)), ("b", "Convert", (6, 1), {}), ("c", "Subtract", (6, 6), {}),
        ("s", "Const", (6, 1), ("f16", scale)), ("d", "Multiply", (6, 6), {}), ("y", "MatMul", (1,), {"transpose_b": "true"}),
    ]  # fmt: skip
    edges = [(1, 2, 0), (3, 4, 0), (2, 5, 0), (4, 5, 1), (5, 7, 0), (6, 7, 1), (0, 8, 0), (7, 8, 1)]
    file = open_weights(network(tmp_path, layers, edges))
    expected = (codes.astype(np.float32) - 7) * scale.astype(np.float32)
    assert np.allclose(file.tensor("w"), expected)
    assert "w" in file.rows


def plain(folder, change=lambda text: text):
    return network(folder, [("w", "Const", (6, 6), ("f32", WEIGHT))], [], change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace('offset="0"', 'offset="999"'), "expected w to end at byte"),
        (lambda text: text.replace('offset="0"', 'offset="-8"'), "expected w to end at byte"),
        (lambda text: text.replace('offset="0"', 'offset="x"'), "expected where w lies"),
        (lambda text: text.replace("<dim>6</dim>", "<dim>6000000</dim>"), "expected w to end at byte"),
        (lambda text: text.replace("<dim>6</dim>", "<dim>-1</dim>", 1), "expected the shape of w"),
        (lambda text: text.replace("<dim>6</dim>", "<dim>six</dim>"), "got a damaged one"),
        (lambda text: text[:-9], "got a damaged one"),
        (
            lambda text: text.replace("<edges>", '<edges><edge from-layer="0" to-layer="7" to-port="0"/>'),
            "a damaged one",
        ),
        (lambda text: text.replace("<net", '<net a="&x;"'), "got a damaged one"),
        (lambda text: text.replace("</net>", "<!DOCTYPE x></net>"), "got a damaged one"),
    ],
)
def test_what_lies_is_refused(change, says, tmp_path):
    with pytest.raises(MalformedError, match=says):
        open_weights(plain(tmp_path, change))


def test_numbers_must_be_beside(tmp_path):
    plain(tmp_path)
    (tmp_path / "m.bin").unlink()
    with pytest.raises(MalformedError, match=r"expected m\.bin beside m\.xml"):
        open_weights(tmp_path / "m.xml")


def test_shapes_that_would_spread_are_refused(tmp_path):
    layers = [
        ("x", "Parameter", (1,), {}), ("w", "Const", (6, 1), ("f32", values(6, 1))),
        ("s", "Const", (1, 6), ("f32", values(1, 6))), ("d", "Multiply", (6, 6), {}),
        ("y", "MatMul", (1,), {"transpose_b": "true"}),
    ]  # fmt: skip
    file = open_weights(network(tmp_path, layers, [(1, 3, 0), (2, 3, 1), (0, 4, 0), (3, 4, 1)]))
    with pytest.raises(MalformedError, match=r"expected d of shape \(6, 6\)"):
        file.tensor("w")
