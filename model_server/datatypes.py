"""The protocol's datatypes, next to their names in NumPy, ONNX Runtime and Triton's model configuration.

`runtime` reads a model's signature with it, `codec` reads and writes tensors. NumPy has no BF16: such tensors travel
as UINT16, which are the upper halves of FP32, and `widen` and `narrow` translate between the two.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

#: BF16 in ONNX, for ONNX Runtime's calls that take the number.
BF16_ONNX = 16


@dataclass(frozen=True, slots=True)
class Datatype:
    """One row of the table.

    Attributes:
        name: In the protocol.
        dtype: In memory, little endian as in the binary extension; `object` for BYTES.
        triton: In `/config`.
        code: Type code of `array`, which reads JSON lists; empty for BOOL and BYTES, FP32's for FP16 and BF16.
    """

    name: str
    dtype: np.dtype[Any]
    triton: str
    code: str


def _row(name: str, dtype: str, code: str, triton: str = "") -> Datatype:
    return Datatype(name, np.dtype(dtype), "TYPE_" + (triton or name), code)


_ROWS = {
    "tensor(bool)": _row("BOOL", "?", ""),
    "tensor(uint8)": _row("UINT8", "u1", "B"),
    "tensor(uint16)": _row("UINT16", "<u2", "H"),
    "tensor(uint32)": _row("UINT32", "<u4", "I"),
    "tensor(uint64)": _row("UINT64", "<u8", "Q"),
    "tensor(int8)": _row("INT8", "i1", "b"),
    "tensor(int16)": _row("INT16", "<i2", "h"),
    "tensor(int32)": _row("INT32", "<i4", "i"),
    "tensor(int64)": _row("INT64", "<i8", "q"),
    "tensor(float16)": _row("FP16", "<f2", "f"),
    "tensor(bfloat16)": _row("BF16", "<u2", "f"),
    "tensor(float)": _row("FP32", "<f4", "f"),
    "tensor(double)": _row("FP64", "<f8", "d"),
    "tensor(string)": _row("BYTES", "O", "", "STRING"),
}


def from_onnxruntime(kind: str) -> Datatype | None:
    """Return the datatype that ONNX Runtime calls `kind`, or None when the protocol cannot carry it."""
    return _ROWS.get(kind)


def widen(halves: Any) -> Any:
    """Return BF16, given as UINT16, as FP32; exact."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def narrow(values: Any) -> Any:
    """Return FP32 as BF16 in UINT16, rounded to nearest, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def copy_halves(address: int, shape: list[int]) -> Any:
    """Return a copy of the BF16 tensor that lies in memory, as UINT16.

    Args:
        address: Of the first element, on the CPU.
        shape: Sizes.
    """
    count = math.prod(shape)
    if count == 0:
        return np.empty(shape, dtype=np.uint16)
    memory = (ctypes.c_uint16 * count).from_address(address)
    return np.frombuffer(memoryview(memory), dtype=np.uint16).reshape(shape).copy()
