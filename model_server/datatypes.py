"""The protocol's datatypes, next to their names in NumPy, ONNX Runtime and Triton's model configuration.

`runtime` reads a model's signature with it, `codec` reads and writes tensors. BF16 is not here yet: NumPy has no
such type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Datatype:
    """One row of the table.

    Attributes:
        name: In the protocol.
        dtype: In memory, little endian as in the binary extension; `object` for BYTES.
        triton: In `/config`.
        code: Type code of `array`, which reads JSON lists; empty for BOOL and BYTES.
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
    "tensor(float)": _row("FP32", "<f4", "f"),
    "tensor(double)": _row("FP64", "<f8", "d"),
    "tensor(string)": _row("BYTES", "O", "", "STRING"),
}


def from_onnxruntime(kind: str) -> Datatype | None:
    """Return the datatype that ONNX Runtime calls `kind`, or None when the protocol cannot carry it."""
    return _ROWS.get(kind)
