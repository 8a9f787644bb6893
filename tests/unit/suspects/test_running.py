"""What a program is fed and what is made of its outputs, for ports of all kinds; the runtimes themselves are tested beside."""

import numpy as np
import pytest

from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.feeds.arrays import given
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.texts import TextFeed
from modelmark.suspects.answers import Order, labels, read_names
from modelmark.suspects.base import ABSTAIN, Ask
from modelmark.suspects.runtimes.base import Port, Program
from modelmark.suspects.runtimes.running import Ports, Running

NAMES = ("a", "b", "c")
FACE = PictureFeed((2, 4, 5), NAMES, mean=(1307,), std=(3081,))
PICTURES = np.random.default_rng(0).integers(0, 256, (10, 2, 4, 5), dtype=np.uint8)
WEIGHTS = np.random.default_rng(1).standard_normal((3, 40))


def program(port, answer, outputs=None, more=()):
    seen = []

    def run(inputs):
        seen.append(inputs)
        return answer(inputs[port.name])

    outputs = outputs or (Port("y", (None, 3), "float32"),)
    return Program("a program", (port, *more), outputs, run), seen


def scored(fed):
    return {"y": np.asarray(fed, np.float64).reshape(len(fed), -1) @ WEIGHTS.T}


FED = given(PICTURES, FACE)
EXPECTED = scored(FED)["y"].argmax(1).tolist()


def test_a_batch_of_one_size_is_filled_up_and_the_rest_cut_off():
    suspect, seen = program(Port("x", (4, 2, 4, 5), "float32"), scored)
    asked = Running(suspect)
    assert asked.observe(Ask(FACE, PICTURES))[0].tolist() == EXPECTED
    assert [one["x"].shape for one in seen] == [(4, 2, 4, 5)] * 3
    assert asked.queries == 10


def test_channels_last_and_one_row_for_a_picture():
    last, seen = program(Port("x", (None, 4, 5, 2), "float32"), lambda x: scored(np.moveaxis(x, -1, 1)))
    assert Running(last).observe(Ask(FACE, PICTURES))[0].tolist() == EXPECTED
    assert seen[0]["x"].shape == (10, 4, 5, 2)
    flat, _ = program(Port("x", (None, 40), "float32"), scored)
    assert Running(flat).observe(Ask(FACE, PICTURES))[0].tolist() == EXPECTED


@pytest.mark.parametrize(("kind", "scale", "zero"), [("int8", 0.05, -20), ("uint8", 0.05, 60)])
def test_integers_that_stand_for_numbers_are_those_of_what_the_network_is_fed(kind, scale, zero):
    suspect, seen = program(Port("x", (None, 2, 4, 5), kind, scale, zero), scored)
    Running(suspect).observe(Ask(FACE, PICTURES))
    stood = (seen[0]["x"].astype(np.float64) - zero) * scale
    assert seen[0]["x"].dtype == kind
    assert np.abs(stood - FED).max() <= scale / 2 + 1e-6


def test_bytes_are_pixels_and_other_integers_must_be_said():
    suspect, seen = program(Port("x", (None, 2, 4, 5), "uint8"), scored)
    Running(suspect).observe(Ask(FACE, PICTURES))
    assert np.array_equal(seen[0]["x"], PICTURES)
    wide, seen = program(Port("x", (None, 2, 4, 5), "int32"), scored)
    with pytest.raises(MismatchError, match="expected --via values=bytes for an input of integers"):
        Running(wide).observe(Ask(FACE, PICTURES))
    Running(wide, ports=Ports(values="bytes")).observe(Ask(FACE, PICTURES))
    assert np.array_equal(seen[0]["x"], PICTURES)


def test_texts_floats_and_names_that_come_back():
    sentences = TextFeed((1,), NAMES)
    for shape in ((None,), (None, 1)):
        words, seen = program(Port("x", shape, "str"), lambda x: {"y": ["c"] * len(x)}, (Port("y", (None,), "str"),))
        assert Running(words).observe(Ask(sentences, sentences.example(5)))[0].tolist() == [2] * 5
        assert seen[0]["x"].ndim == len(shape)
    rows = FloatFeed((40,), NAMES)
    inputs = FED.reshape(10, 40).astype(np.float32)
    suspect, _ = program(Port("x", (None, 40), "float32"), scored)
    assert Running(suspect).observe(Ask(rows, inputs))[0].tolist() == EXPECTED


def test_other_inputs_are_known_fillers_or_refused():
    more = (Port("attention_mask", (None, 40), "int64"), Port("token_type_ids", (None, 40), "int64"))
    suspect, seen = program(Port("x", (None, 40), "float32"), scored, more=more)
    Running(suspect).observe(Ask(FACE, PICTURES))
    assert (seen[0]["attention_mask"] == 1).all()
    assert not seen[0]["token_type_ids"].any()
    strange, _ = program(Port("x", (None, 40), "float32"), scored, more=(Port("bias", (None,), "float32"),))
    with pytest.raises(MismatchError, match="expected one input, the file has x float32"):
        Running(strange).observe(Ask(FACE, PICTURES))
    with pytest.raises(MismatchError, match="expected one input x, the file has"):
        Running(strange, ports=Ports(input="x")).observe(Ask(FACE, PICTURES))


def test_outputs_of_all_kinds():
    order = Order.of(NAMES)
    assert labels([{"a": 0.1, "c": 0.9}, {"b": 1.0, "a": 0.0}], 2, order).tolist() == [
        2,
        1,
    ]  # as scikit-learn's exporter
    assert labels([{0: 0.1, 2: 0.9}], 1, order).tolist() == [2]
    assert labels(np.array([[b"c"], [b"a"]]), 2, order).tolist() == [2, 0]
    assert labels(np.array([[3, 9, 1]], np.int8), 1, order).tolist() == [1]  # quantised scores
    assert labels(np.array([[1], [2]]), 2, order).tolist() == [1, 2]
    assert labels(np.array([[0.1, np.nan, 0.3], [0.2, 0.2, 0.1]]), 2, order).tolist() == [ABSTAIN, 0]
    assert labels(np.zeros((2, 3, 1, 1)), 2, order).tolist() == [0, 0]
    assert labels(np.array([0.2, 0.9]), 2, Order.of(("no", "yes")), "probability").tolist() == [0, 1]
    more = Order.of(NAMES, ("none", "c", "a", "b"))
    assert labels(np.eye(4), 4, more).tolist() == [ABSTAIN, 2, 0, 1]
    assert labels(np.arange(4), 4, more).tolist() == [ABSTAIN, 2, 0, 1]
    for wrong, says in (
        (np.zeros((2, 4)), "expected scores of 3 classes from the suspect, got 4"),
        (np.array([1, 3]), "expected labels 0 to 2"),
        (np.zeros((3, 3)), "expected 2 answers from the suspect, got 3"),
        (np.float32(1), "expected 2 answers from the suspect, got one number"),
        (None, "expected 2 answers from the suspect, got none"),
        (np.array(["a", "d"]), "expected one of the key's 3 classes from the suspect, got 'd'"),
        (np.array([True, False]), "expected scores, numbers or names"),
        ([[], ["a"]], "expected 2 answers of one shape"),
    ):
        with pytest.raises(SuspectError, match=says):
            labels(wrong, 2, order)
    with pytest.raises(SuspectError, match="expected a number for each input"):
        labels(np.array([0.5, 1.0]), 2, order, "labels")


def test_what_a_runtime_says_is_one_line():
    def fails(fed):
        raise RuntimeError("node 7:\n  wrong\n" + "x" * 1000)

    suspect, _ = program(Port("x", (None, 40), "float32"), fails)
    with pytest.raises(SuspectError, match="expected answers from a program, got: node 7: wrong xxx") as caught:
        Running(suspect).observe(Ask(FACE, PICTURES))
    assert "\n" not in str(caught.value)


def test_names_in_a_file(tmp_path):
    path = tmp_path / "names"
    path.write_bytes("\ufeffa \r\nnaïve\r\n\r\n".encode())
    assert read_names(path) == ["a", "naïve"]
    for wrong in (b"a\n\nb\n", b"\xff\n", b"\n"):
        path.write_bytes(wrong)
        with pytest.raises(MalformedError, match=r"expected (?:a class name|class names)"):
            read_names(path)
    with pytest.raises(MismatchError, match="got 'a' 2 times"):
        Order.of(NAMES, ("a", "a", "b", "c"))
