"""Types of numbers under torch's names, as numpy holds them; those that numpy has not are those of ``ml_dtypes``."""

from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"), "float32": np.dtype("<f4"), "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "int64": np.dtype("<i8"), "int32": np.dtype("<i4"), "int16": np.dtype("<i2"), "int8": np.dtype("i1"),
    "uint64": np.dtype("<u8"), "uint32": np.dtype("<u4"), "uint16": np.dtype("<u2"), "uint8": np.dtype("u1"),
    "bool": np.dtype("?"), "complex64": np.dtype("<c8"), "complex128": np.dtype("<c16"),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn), "float8_e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2), "float8_e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "float8_e8m0fnu": np.dtype(ml_dtypes.float8_e8m0fnu),
    # held and not computed with: two halves of a complex number, two numbers in a byte
    "complex32": np.dtype([("complex32", "<f2", 2)]), "float4_e2m1fn_x2": np.dtype([("float4_e2m1fn_x2", "u1")]),
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_REAL = frozenset(name for name in DTYPES if name.startswith("float") and name != "float4_e2m1fn_x2") | {"bfloat16"}


def called(dtype: np.dtype[Any]) -> str:
    """Return torch's name of a type, of one that torch has not numpy's."""
    return dtype.names[0] if dtype.names else _NAMES.get(dtype, str(dtype))


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Return whether a type holds real numbers with a fraction."""
    return called(dtype) in _REAL


def is_real(dtype: np.dtype[Any]) -> bool:
    """Return whether a type holds real numbers that can be computed with; whole ones and truth values are."""
    return dtype.kind in "fiub" or is_floating(dtype)


def widened(array: Array) -> npt.NDArray[np.floating[Any]]:
    """Return real numbers as float32, those of float64 as they are; of bfloat16 by their bits, a third of ``astype``'s time."""
    if array.dtype == DTYPES["bfloat16"]:
        wide = array.view(np.uint16).astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)
