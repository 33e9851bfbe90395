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
        kinds: NumPy kinds that a JSON list may have for it: an integer tensor takes no 1.5.
    """

    name: str
    dtype: np.dtype[Any]
    triton: str
    kinds: str


def _row(name: str, dtype: str, kinds: str, triton: str = "") -> Datatype:
    return Datatype(name, np.dtype(dtype), "TYPE_" + (triton or name), kinds)


_ROWS = {
    "tensor(bool)": _row("BOOL", "?", "b"),
    "tensor(uint8)": _row("UINT8", "u1", "iu"),
    "tensor(uint16)": _row("UINT16", "<u2", "iu"),
    "tensor(uint32)": _row("UINT32", "<u4", "iu"),
    "tensor(uint64)": _row("UINT64", "<u8", "iu"),
    "tensor(int8)": _row("INT8", "i1", "iu"),
    "tensor(int16)": _row("INT16", "<i2", "iu"),
    "tensor(int32)": _row("INT32", "<i4", "iu"),
    "tensor(int64)": _row("INT64", "<i8", "iu"),
    "tensor(float16)": _row("FP16", "<f2", "iuf"),
    "tensor(float)": _row("FP32", "<f4", "iuf"),
    "tensor(double)": _row("FP64", "<f8", "iuf"),
    "tensor(string)": _row("BYTES", "O", "U", "STRING"),
}


def from_onnxruntime(kind: str) -> Datatype | None:
    """Return the datatype that ONNX Runtime calls `kind`, or None when the protocol cannot carry it."""
    return _ROWS.get(kind)
