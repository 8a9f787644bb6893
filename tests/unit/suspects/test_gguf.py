"""GGUF as its own library writes it: plain and packed tensors, names and rows of the converter, read without loading the rest."""

import struct

import numpy as np
import pytest

from modelmark.errors import MalformedError
from modelmark.suspects.base import Read, ReadEach
from modelmark.suspects.files import open_weights
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

gguf = pytest.importorskip("gguf", reason="the library gguf is not installed")
KINDS = gguf.GGMLQuantizationType
RNG = np.random.default_rng(0)


def written(path, tensors, arch="llama", fields=lambda writer: None):
    """Write a file; ``tensors`` are arrays, or an array and the type it is packed to."""
    writer = gguf.GGUFWriter(path, arch)
    fields(writer)
    for name, given in tensors.items():
        values, kind = given if isinstance(given, tuple) else (given, None)
        if kind is None:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_plain_tensors_come_back_with_rows_first(tmp_path):
    given = {"a.weight": values(6, 4), "b.bias": values(5), "c": values(2, 3, 4), "h": values(3, 2).astype(np.float16)}
    file = open_weights(written(tmp_path / "w", given))
    assert file.what == "GGUF (llama)"
    assert list(file.shapes) == list(given)
    assert file.types == {"a.weight": "F32", "b.bias": "F32", "c": "F32", "h": "F16"}
    assert all(np.array_equal(file.tensor(name), array) for name, array in given.items())


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16", "MXFP4"])
def test_packed_tensors_are_unpacked_as_the_library_does_it(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("modelmark.suspects.files.gguf._PIECE", 64)  # several pieces, the last a shorter one
    given = values(5, 64)
    file = open_weights(written(tmp_path / "w", {"a.weight": (given, KINDS[kind])}))
    packed = gguf.quants.quantize(given, KINDS[kind])
    assert file.types == {"a.weight": kind}
    assert np.array_equal(file.tensor("a.weight").astype(np.float32), gguf.quants.dequantize(packed, KINDS[kind]))


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "IQ2_XXS", "TQ1_0"])
def test_blocks_that_only_llama_cpp_packs_are_unpacked(kind, tmp_path):
    block, nbytes = gguf.GGML_QUANT_SIZES[KINDS[kind]]
    raw = RNG.integers(0, 60, (3, 2 * nbytes), np.uint8)  # small bytes: halves of blocks are numbers
    writer = gguf.GGUFWriter(tmp_path / "w", "llama")
    writer.add_tensor("a.weight", raw, raw_dtype=KINDS[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = open_weights(tmp_path / "w")
    assert file.shapes == {"a.weight": (3, 2 * block)}
    assert np.array_equal(file.tensor("a.weight"), gguf.quants.dequantize(raw, KINDS[kind]))


def test_a_type_that_cannot_be_unpacked_is_named_and_the_rest_is_read(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "w", "llama")
    writer.add_tensor("a", np.zeros((1, 292), np.uint8), raw_dtype=KINDS.Q8_K)
    writer.add_tensor("b", values(2))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = open_weights(tmp_path / "w")
    assert file.names == ["b"]
    assert file.unreadable == {"a": "of type Q8_K, which gguf does not unpack"}


def turned(rows, heads):
    """Return what llama.cpp's converter makes of the rows of q and k (``LlamaModel.permute``)."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def test_rows_of_queries_and_keys_are_put_back_and_found_under_their_names_in_torch(tmp_path):
    q, k, up = values(32, 16), values(16, 16), values(48, 16)

    def heads(writer):
        writer.add_head_count(4)
        writer.add_head_count_kv(2)

    tensors = {"blk.0.attn_k.weight": turned(k, 2), "blk.0.attn_q.weight": turned(q, 4), "blk.0.ffn_up.weight": up}
    file = open_weights(written(tmp_path / "w", tensors, fields=heads))
    expected = {"self_attn.q_proj": q, "self_attn.k_proj": k, "mlp.up_proj": up}
    for layer, array in expected.items():
        (found,) = State(file).observe(Read(Place(f"model.layers.0.{layer}", 16)))
        assert np.array_equal(found, array)
    places = tuple(Place(f"layers.0.{layer}", 16) for layer in expected)
    (found,) = State(file).observe(ReadEach(places, tuple(map(len, expected.values()))))
    assert all(np.array_equal(rows[:], array) for rows, array in zip(found, expected.values(), strict=True))


@pytest.mark.parametrize("is_empty", [False, True])
def test_of_several_files_the_first_alone_says_how_many_heads_there_are(is_empty, tmp_path):
    tensors = {f"blk.{number}.attn_q.weight": turned(values(32, 16), 4) for number in range(2)}
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=1, small_first_shard=is_empty)
    writer.add_head_count(4)
    for name, given in tensors.items():
        writer.add_tensor(name, given)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    whole, last = open_weights(tmp_path), sorted(tmp_path.iterdir())[-1]
    alone = open_weights(last)
    for number, name in enumerate(tensors):
        (found,) = State(whole).observe(Read(Place(f"model.layers.{number}.self_attn.q_proj", 16)))
        assert np.array_equal(turned(found, 4), tensors[name])
        assert not np.array_equal(found, tensors[name])
    assert np.array_equal(alone.tensor(name), found)
    for path in sorted(tmp_path.iterdir())[:-1]:
        path.unlink()
    lost = open_weights(last)
    assert np.array_equal(lost.tensor(name), tensors[name])
    assert any("of which the first" in note for note in lost.notes)


def test_columns_of_gpt2_are_rows_here(tmp_path):
    kernel = values(16, 16)  # as transformers' Conv1D holds it, (in, out); the converter turns it
    file = open_weights(written(tmp_path / "w", {"blk.0.attn_output.weight": kernel.T.copy()}, "gpt2"))
    (found,) = State(file).observe(Read(Place("transformer.h.0.attn.c_proj", 16, layout=(0, 1))))
    assert np.array_equal(found, kernel.T)


def test_a_long_vocabulary_costs_no_objects(tmp_path):
    def words(writer):
        writer.add_token_list([f"word {number}" for number in range(2000)])
        writer.add_token_scores([0.0] * 2000)

    file = open_weights(written(tmp_path / "w", {"a": values(2)}, fields=words))
    assert file.names == ["a"]


def header(*parts):
    """Return a header from numbers, each with its form."""
    return b"GGUF" + b"".join(struct.pack("<" + form, value) for form, value in parts)


ONE = [("I", 3), ("Q", 1), ("Q", 0), ("Q", 1), ("1s", b"a")]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (header(("I", 1)), "of version 2 or 3"),
        (b"GGUF" + (3).to_bytes(4, "big"), "of version 2 or 3"),
        (header(("I", 3), ("Q", 2**60), ("Q", 0)), "expected at most"),
        (header(("I", 3), ("Q", 0), ("Q", 2**60)), "expected at most"),
        (header(("I", 3), ("Q", 1), ("Q", 0), ("Q", 2**62)), "its header ends within"),
        (header(("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("1s", b"k"), ("I", 9), ("I", 10), ("Q", 2**61)), "ends within"),
        (header(("I", 3), ("Q", 0), ("Q", 1), ("Q", 1), ("1s", b"k"), ("I", 9), ("I", 9), ("Q", 1)), "unknown type 9"),
        (header(*ONE, ("I", 2**31)), "expected at most 8 axes"),
        (header(*ONE, ("I", 1), ("Q", 2**40), ("I", 0), ("Q", 0)), "expected a to end at byte"),
        (header(*ONE, ("I", 1), ("Q", 2**63), ("I", 0), ("Q", 0)), "expected the shape of a"),
        (header(*ONE, ("I", 1), ("Q", 2), ("I", 0), ("Q", 2**63)), "expected a to end at byte"),
        (header(*ONE, ("I", 1), ("Q", 33), ("I", 8), ("Q", 0)), "whole blocks of 32"),
    ],
)  # fmt: skip
def test_sizes_that_lie(raw, says, tmp_path):
    (tmp_path / "w").write_bytes(raw)
    with pytest.raises(MalformedError, match=says):
        open_weights(tmp_path / "w")


def test_what_is_changed_in_memory_changes_no_file(tmp_path):
    path = written(
        tmp_path / "w", {"a": np.ones(3, np.float32), "b.weight": (np.ones((1, 32), np.float32), KINDS.Q8_0)}
    )
    for name in ("a", "b.weight"):
        open_weights(path).tensor(name).fill(0)
        assert open_weights(path).tensor(name).mean() == pytest.approx(1, rel=1e-3)
