"""Files are read as arrays; types that numpy lacks cross to torch and back bit by bit, and keep their digest."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modelmark import hashing
from modelmark.errors import MalformedError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import held, open_weights
from modelmark.suspects.files.dtypes import DTYPES, called, is_real, widened

THERE = sorted(name for name in DTYPES if hasattr(torch, name))


def bits(name, *shape):
    """Return numbers of a type with bytes that differ, those that are a truth value with 0 and 1."""
    dtype, count = DTYPES[name], int(np.prod(shape))
    raw = np.random.default_rng(1).integers(0, 2 if name == "bool" else 256, count * dtype.itemsize, np.uint8)
    return raw.view(dtype).reshape(shape)


@pytest.mark.parametrize("name", THERE)
def test_every_type_crosses_to_torch_and_back(name):
    given = bits(name, 4, 6)
    tensor = torching.tensor(given)
    assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{name}", (4, 6))
    back = torching.array(tensor)
    assert back.dtype == DTYPES[name]
    assert back.tobytes() == given.tobytes()
    assert np.shares_memory(back, given)
    assert called(back.dtype) == name


@pytest.mark.parametrize("name", THERE)
def test_the_digest_is_that_of_the_tensor_as_the_first_release_computed_it(name):
    given = bits(name, 4, 6)
    expected = hashlib.sha256(hashing.frame("tensor", b"w", f"torch.{name}".encode(), b"4,6"))
    expected.update(given.nbytes.to_bytes(8, "big") + given.tobytes())
    assert weights.digest({"w": torching.tensor(given)}) == held({"w": given}).digest == expected.hexdigest()


def test_turned_and_conjugated_tensors_are_arrays_of_their_values():
    tensor = torch.randn(3, 4, dtype=torch.complex64).conj().t()
    assert np.array_equal(torching.array(tensor), tensor.resolve_conj().numpy())
    halves = torch.randn(3, 4).bfloat16().t()
    assert np.array_equal(torching.array(halves).astype(np.float32), halves.float().numpy())
    assert torch.equal(torching.tensor(torching.array(halves)), halves)


@pytest.mark.parametrize("name", [name for name in THERE if is_real(DTYPES[name])])
def test_real_numbers_are_widened_as_torch_does(name):
    given = bits(name, 500)
    wide = widened(given)
    expected = torching.tensor(given).to(torch.float64 if name == "float64" else torch.float32).numpy()
    assert wide.dtype == expected.dtype
    assert np.array_equal(wide, expected, equal_nan=True)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn_x2", "uint16", "bool"])
def test_safetensors_of_types_that_numpy_lacks_are_read_as_torch_wrote_them(name, tmp_path):
    if not hasattr(torch, name):
        pytest.skip(f"this torch has no {name}")
    state = {"odd": torch.ones(3, dtype=torch.uint8), "w": torching.tensor(bits(name, 5, 8))}
    save_file(state, tmp_path / "w")
    file = open_weights(tmp_path / "w")
    assert file.tensor("w").tobytes() == bits(name, 5, 8).tobytes()
    assert file.digest == weights.digest(state)


def test_a_type_of_six_bits_is_refused(tmp_path):
    header = b'{"w":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}}'
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    with pytest.raises(MalformedError, match=r"expected w in .* to be of a type that torch has, got another"):
        open_weights(tmp_path / "w").tensor("w")
