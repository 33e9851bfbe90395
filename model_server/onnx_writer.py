"""Just enough of the ONNX file format, written by hand, so that building an image needs no `onnx` package.

ONNX is protobuf: a message is a row of fields, each a varint key (number and wire type) and a value. The numbers
below are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). `models` is the only caller;
the test suite checks its files with `onnx.checker`. Not a general writer: tensors are FLOAT, INT64 or STRING.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FLOAT, INT64, STRING = 1, 7, 8
_IR_VERSION = 9

#: What an attribute can hold.
Attribute = int | float | str | list[int] | list[float] | list[str]


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # protobuf writes a negative int64 as its two's complement
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _blob(number: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _attribute(name: str, value: Attribute) -> bytes:
    """AttributeProto: 1 name, 2 f, 3 i, 4 s, 7 floats, 8 ints, 9 strings, 20 type."""
    head = _blob(1, name)
    if isinstance(value, str):
        return head + _blob(4, value) + _integer(20, 3)
    if isinstance(value, int):
        return head + _integer(3, value) + _integer(20, 2)
    if isinstance(value, float):
        return head + _float(2, value) + _integer(20, 1)
    if all(isinstance(item, str) for item in value):
        return head + b"".join(_blob(9, str(item)) for item in value) + _integer(20, 8)
    if all(isinstance(item, int) for item in value):
        return head + b"".join(_integer(8, int(item)) for item in value) + _integer(20, 7)
    return head + b"".join(_float(7, float(item)) for item in value) + _integer(20, 6)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Attribute) -> bytes:
    """NodeProto: 1 input, 2 output, 4 op_type, 5 attribute, 7 domain."""
    return (
        b"".join(_blob(1, name) for name in inputs)
        + b"".join(_blob(2, name) for name in outputs)
        + _blob(4, kind)
        + b"".join(_blob(5, _attribute(name, value)) for name, value in attributes.items())
        + (_blob(7, domain) if domain else b"")
    )


def weights(name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    """TensorProto: 1 dims, 2 data_type, 8 name, 9 raw_data (little endian)."""
    kind = FLOAT if array.dtype == np.float32 else INT64
    dims = b"".join(_integer(1, size) for size in array.shape)
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return dims + _integer(2, kind) + _blob(8, name) + _blob(9, raw)


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """ValueInfoProto 1 name, 2 type; TypeProto 1 tensor: 1 elem_type, 2 shape: 1 dim: 1 dim_value, 2 dim_param.

    Args:
        name: Of the input or output.
        kind: FLOAT, INT64 or STRING.
        shape: A text is a dimension that may vary, and its name.
    """
    dims = b"".join(_blob(1, _integer(1, dim) if isinstance(dim, int) else _blob(2, dim)) for dim in shape)
    return _blob(1, name) + _blob(2, _blob(1, _integer(1, kind) + _blob(2, dims)))


def model(
    name: str,
    *,
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    opsets: dict[str, int],
) -> bytes:
    """Return the bytes of a whole file.

    ModelProto: 1 ir_version, 2 producer_name, 7 graph, 8 opset_import (1 domain, 2 version);
    GraphProto: 1 node, 2 name, 5 initializer, 11 input, 12 output.
    """
    graph = (
        b"".join(_blob(1, item) for item in nodes)
        + _blob(2, name)
        + b"".join(_blob(5, item) for item in constants)
        + b"".join(_blob(11, item) for item in inputs)
        + b"".join(_blob(12, item) for item in outputs)
    )
    imports = b"".join(_blob(8, _blob(1, domain) + _integer(2, version)) for domain, version in opsets.items())
    return _integer(1, _IR_VERSION) + _blob(2, "model_server") + _blob(7, graph) + imports
