"""One layer is read without the rest, counted in bytes that are mapped."""

import pytest

from formats import MAKERS, Small, made
from modelmark.suspects.files import mapped, open_weights

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


@pytest.mark.parametrize("name", MAKERS)
def test_of_a_file_one_tensor_is_mapped(name, tmp_path, monkeypatch):
    counted = []
    numbers = mapped.numbers

    def counting(path, offset, count, dtype):
        counted.append(count * dtype.itemsize)
        return numbers(path, offset, count, dtype)

    monkeypatch.setattr(mapped, "numbers", counting)
    path = made(name, Small(), tmp_path)
    file = open_weights(path)
    assert not counted, "bytes of numbers that opening needs"
    (kernel,) = (one for one in file.shapes if file.shapes[one] == (32, 16, 3, 3))
    tensor = file.tensor(kernel)
    assert tensor.shape == (32, 16, 3, 3)
    assert 0 < sum(counted) <= 4 * 32 * 16 * 9 + 4 * 32  # the numbers, and of integers a scale a filter
