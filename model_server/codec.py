"""The bytes of an infer request and its answer: JSON, the binary extension, and any mix of the two.

`infer` calls `inflate`, `decode` and `encode`; `rpc.wire` calls `read` and `to_binary`. Everything a client can get
wrong ends in BadRequest with a message that names the tensor and the rule but never quotes the body. Not for HTTP
headers or routing.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from model_server import bulk, datatypes
from model_server.errors import BadRequest, TooLarge, UnsupportedEncoding

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from model_server.datatypes import Datatype
    from model_server.runtime import Model, Tensor
    from model_server.worker import Feeds, Outputs

_LENGTH = struct.Struct("<I")
_NOTHING = memoryview(b"")
_FLOATS = frozenset({"f", "d"})
_DTYPES = {code: np.dtype(code) for code in "BHIQbhiqfd"}  # NumPy takes longer with the letter
_LONGEST_TIMEOUT_US = 3_600_000_000


@dataclass(slots=True)
class Request:
    """What a client asks for.

    Attributes:
        id: The client's own name for it, handed back.
        feeds: Input tensors by name.
        rows: Size of the first dimension; 1 for tensors without dimensions.
        key: Equal for requests that can be joined into one execution; None: never joined.
        wanted: Outputs to send, each with whether it goes as binary; None: all.
        binary: Whether outputs of which the request says nothing go as binary.
        timeout_s: Seconds that the client is ready to wait; 0: the model's own deadline.
    """

    id: str | None
    feeds: Feeds
    rows: int
    key: Hashable | None
    wanted: dict[str, bool] | None
    binary: bool
    timeout_s: float = 0.0


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a content encoding.

    Args:
        body: As received.
        encoding: gzip or deflate (with or without zlib's header).
        limit: Most bytes that may come out.

    Raises:
        UnsupportedEncoding: The encoding is another one.
        TooLarge: More than `limit` bytes would come out.
        BadRequest: The data is broken or cut off.
    """
    if encoding == "gzip":
        window = 16 + zlib.MAX_WBITS
    elif encoding == "deflate":
        window = zlib.MAX_WBITS if body[:1] == b"\x78" else -zlib.MAX_WBITS
    else:
        raise UnsupportedEncoding(
            "content encodings are gzip and deflate", headers=((b"accept-encoding", b"gzip, deflate"),)
        )
    stream = zlib.decompressobj(window)
    try:
        data = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequest(f"the body is not valid {encoding}") from error
    if len(data) > limit:
        raise TooLarge(f"the inflated body is over {limit} bytes")
    if not stream.eof:
        raise BadRequest(f"the {encoding} body is cut off")
    return data


def decode(body: bytes, header_length: int | None, model: Model) -> Request:
    """Read a request and check it against the model's signature.

    Args:
        body: Plain bytes.
        header_length: Length of the JSON in front of binary tensors; None when all of it is JSON.
        model: Loaded.

    Raises:
        BadRequest: The request breaks the protocol or does not fit the model.
    """
    if header_length is not None and header_length > len(body):
        raise BadRequest("Inference-Header-Content-Length is larger than the body")
    text = body if header_length is None else body[:header_length]
    document = None
    if len(text) >= bulk.LEAST and all(tensor.datatype.code in _FLOATS for tensor in model.inputs.values()):
        document = bulk.read(text)
    if document is None:
        document = _json(text)
    return read(document, _NOTHING if header_length is None else memoryview(body)[header_length:], model)


def read(document: dict[str, Any], tail: memoryview, model: Model) -> Request:
    """Check a request that is taken apart already; gRPC's messages come in here.

    Args:
        document: The request as its JSON would be.
        tail: Binary tensors, one behind the other.
        model: Loaded.

    Raises:
        BadRequest: The request breaks the protocol or does not fit the model.
    """
    feeds, used = _feeds(document, tail, model)
    if used != len(tail):
        raise BadRequest(f"{len(tail) - used} bytes behind the last binary tensor")
    rows, key = _joinable(feeds, model)
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        raise BadRequest("id must be a string")
    if "parameters" not in document:
        wanted = _wanted(document, model) if "outputs" in document else None
        return Request(name, feeds, rows, key, wanted, binary=False)
    parameters = _parameters(document, "the request")
    binary = parameters.get("binary_data_output", False) is True
    return Request(name, feeds, rows, key, _wanted(document, model, binary=binary), binary, _timeout(parameters))


def _timeout(parameters: dict[str, Any]) -> float:
    """Read `timeout`, which is in microseconds as Triton's clients send it."""
    timeout = parameters.get("timeout")
    if timeout is None:
        return 0.0
    if type(timeout) is not int or timeout < 0:
        raise BadRequest("parameter timeout must be whole microseconds")
    return float(min(timeout, _LONGEST_TIMEOUT_US)) / 1e6


def _json(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the request is not valid JSON (byte {error.pos})") from None
    if not isinstance(document, dict):
        raise BadRequest("the request must be a JSON object")
    return document


def _parameters(item: Mapping[str, Any], what: str) -> dict[str, Any]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise BadRequest(f"parameters of {what} must be an object")
    return parameters


def _feeds(document: dict[str, Any], tail: memoryview, model: Model) -> tuple[Feeds, int]:
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest("inputs must be a list of at least one tensor")
    feeds: Feeds = {}
    used = 0
    for item in inputs:
        name = item.get("name") if isinstance(item, dict) else None
        tensor = model.inputs.get(name) if isinstance(name, str) else None
        if tensor is None:
            raise BadRequest(f"unknown input; this model has {', '.join(model.inputs)}")
        if tensor.name in feeds:
            raise BadRequest(f"input {tensor.name} is given twice")
        shape = _shape(item, tensor)
        parameters = item.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            feeds[tensor.name] = _from_json(item.get("data"), shape, tensor)
            continue
        if "data" in item:
            raise BadRequest(f"input {tensor.name} has both data and binary_data_size")
        if type(size) is not int or not 0 <= size <= len(tail) - used:
            raise BadRequest(f"binary_data_size of input {tensor.name} does not fit the body")
        feeds[tensor.name] = _from_binary(tail[used : used + size], shape, tensor)
        used += size
    if len(feeds) != len(model.inputs):
        raise BadRequest(f"missing input {', '.join(sorted(model.inputs.keys() - feeds.keys()))}")
    return feeds, used


def _shape(item: dict[str, Any], tensor: Tensor) -> list[int]:
    """Check datatype and shape; both must be what the model wants."""
    if item.get("datatype") != tensor.datatype.name:
        raise BadRequest(f"datatype of input {tensor.name} must be {tensor.datatype.name}")
    shape = item.get("shape")
    if not isinstance(shape, list):
        raise BadRequest(f"shape of input {tensor.name} must be a list of sizes")
    fits = len(shape) == len(tensor.shape)  # sizes are whole numbers, not truth values, even where those are equal
    for size, want in zip(shape, tensor.shape, strict=False):
        if type(size) is not int or size < 0:
            raise BadRequest(f"shape of input {tensor.name} must be a list of sizes")
        fits = fits and want in (size, -1)
    if not fits:
        raise BadRequest(f"shape of input {tensor.name} must be {list(tensor.shape)}, got {str(shape)[:100]}")
    if shape and shape[0] == 0:
        raise BadRequest(f"input {tensor.name} has no rows")
    return shape


def _from_json(data: Any, shape: list[int], tensor: Tensor) -> Any:
    """Read a flat or nested list, or the array that `bulk` has made of one."""
    datatype = tensor.datatype
    if not isinstance(data, list):
        if isinstance(data, np.ndarray):
            return _reshaped(_cast(data, datatype), shape, tensor)
        raise BadRequest(f"input {tensor.name} needs data, a list")
    try:
        flat = _flat(data) if data and type(data[0]) is list else data
        values = _numbers(flat, datatype) if datatype.code else _others(flat, datatype)
    except (ValueError, OverflowError, TypeError):
        raise BadRequest(f"data of input {tensor.name} is ragged or not all {tensor.datatype.name}") from None
    return _reshaped(values, shape, tensor)


def _flat(data: list[Any]) -> list[Any]:
    """Undo the nesting; ValueError when the lists of one level differ in length, TypeError when they are no lists."""
    while data and type(data[0]) is list:
        if len(set(map(len, data))) != 1:
            raise ValueError("ragged")
        data = list(chain.from_iterable(data))
    return data


def _numbers(flat: list[Any], datatype: Datatype) -> Any:
    """Read numbers with `struct` and `array`, which are strict where NumPy is not.

    NumPy takes "1", None or 1.5 for a number of any type, and where one element is a long text it makes room for that
    text once for each element. `struct` takes a quarter of the time of the others, but says of whole numbers only that
    something is wrong, and has no infinity for a number that is too large for FP32.
    """
    if not flat:
        return np.empty(0, dtype=datatype.dtype)
    if type(flat[0]) is bool:
        raise TypeError("a truth value is no number")
    code = datatype.code
    buffer: bytes | array[Any]
    try:
        buffer = _packer(len(flat), code).pack(*flat) if code in _FLOATS else array(code, flat)
    except (OverflowError, struct.error):
        buffer = array(code, flat)
    return _cast(np.frombuffer(buffer, _DTYPES[code]), datatype)


@lru_cache(maxsize=64)
def _packer(count: int, code: str) -> struct.Struct:
    """Return what packs so many numbers; `struct.pack` with the format as text takes twice as long for a short list."""
    return struct.Struct(f"{count}{code}")


def _cast(values: Any, datatype: Datatype) -> Any:
    """Bring numbers into a datatype, by way of the one that its code names; what is too large becomes infinity."""
    if values.dtype == datatype.dtype:
        return values
    with np.errstate(over="ignore"):
        values = values.astype(datatype.code, copy=False)
        if datatype.name == "BF16":
            return datatypes.narrow(values)
        return values.astype(datatype.dtype, copy=False)


def _others(flat: list[Any], datatype: Datatype) -> Any:
    """Read truth values or texts."""
    if not set(map(type, flat)) <= {bool if datatype.name == "BOOL" else str}:
        raise TypeError("elements of another type")
    return np.array(flat, dtype=datatype.dtype)


def _reshaped(values: Any, shape: list[int], tensor: Tensor) -> Any:
    if values.size != math.prod(shape):
        raise BadRequest(f"input {tensor.name} has {values.size} elements, which is not what its shape says")
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError):  # no elements at all, because one size is 0, and another beyond any memory
        raise BadRequest(f"shape of input {tensor.name} is too large") from None


def _from_binary(data: memoryview, shape: list[int], tensor: Tensor) -> Any:
    datatype = tensor.datatype
    if datatype.name == "BYTES":
        return _reshaped(_strings(data, tensor), shape, tensor)
    if len(data) % datatype.dtype.itemsize:
        raise BadRequest(f"binary data of input {tensor.name} is no whole number of {datatype.name}")
    if datatype.name == "BOOL":
        values = np.frombuffer(data, dtype=np.uint8) != 0
    else:
        values = np.frombuffer(data, dtype=datatype.dtype)
    if not values.flags.aligned:
        values = values.copy()  # the JSON in front has any length
    return _reshaped(values, shape, tensor)


def _strings(data: memoryview, tensor: Tensor) -> Any:
    """Read length-prefixed elements."""
    strings: list[str] = []
    offset = 0
    while offset < len(data):
        if offset + _LENGTH.size > len(data):
            raise BadRequest(f"binary data of input {tensor.name} is cut off")
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if offset + length > len(data):
            raise BadRequest(f"binary data of input {tensor.name} is cut off")
        try:
            strings.append(str(data[offset : offset + length], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequest(f"input {tensor.name} is not UTF-8") from None
        offset += length
    return np.array(strings, dtype=object)


def _joinable(feeds: Feeds, model: Model) -> tuple[int, Hashable | None]:
    """Number of rows, and the key under which requests can be joined."""
    if len(feeds) == 1:
        [only] = feeds.values()
        shape = only.shape
        return shape[0] if shape else 1, (shape[1:] if model.batchable else None)
    shapes = [feeds[name].shape for name in model.inputs]
    rows = shapes[0][0] if shapes[0] else 1
    if not model.batchable:
        return rows, None
    for shape in shapes:
        if shape[0] != rows:
            raise BadRequest("all inputs must have the same number of rows")
    return rows, tuple([shape[1:] for shape in shapes])


def _wanted(document: dict[str, Any], model: Model, *, binary: bool = False) -> dict[str, bool] | None:
    outputs = document.get("outputs")
    if outputs is None:
        return None
    if not isinstance(outputs, list):
        raise BadRequest("outputs must be a list")
    wanted: dict[str, bool] = {}
    for item in outputs:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in model.outputs:
            raise BadRequest(f"unknown output; this model has {', '.join(model.outputs)}")
        wanted[name] = _parameters(item, f"output {name}").get("binary_data", binary) is True
    return wanted or None


def encode(request: Request, model: Model, outputs: Outputs) -> tuple[bytes, int | None]:
    """Write the answer.

    Args:
        request: Says which outputs, and how.
        model: Names and datatypes.
        outputs: In the order of the model's outputs.

    Returns:
        The body, and the length of the JSON in front of binary data; None when all of it is JSON.
    """
    described: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for tensor, values in zip(model.outputs.values(), outputs, strict=True):
        if request.wanted is not None and tensor.name not in request.wanted:
            continue
        item: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype.name, "shape": values.shape}
        if request.binary if request.wanted is None else request.wanted[tensor.name]:
            data = to_binary(values, tensor)
            item["parameters"] = {"binary_data_size": len(data)}
            tail.append(data)
        else:
            item["data"] = _to_json(values, tensor)
        described.append(item)
    answer: dict[str, Any] = {"model_name": model.name, "model_version": str(model.version)}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = described
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not tail:
        return head, None
    return b"".join((head, *tail)), len(head)


def _to_json(values: Any, tensor: Tensor) -> Any:
    flat = values.ravel()
    if tensor.datatype.name == "BYTES":
        return flat.tolist()
    return datatypes.widen(flat) if tensor.datatype.name == "BF16" else flat


def to_binary(values: Any, tensor: Tensor) -> bytes:
    """Return a tensor as the binary extension has it.

    Args:
        values: Of the tensor.
        tensor: Says the datatype.
    """
    if tensor.datatype.name != "BYTES":
        return bytes(values.astype(tensor.datatype.dtype, copy=False).tobytes())
    elements = [str(element).encode() for element in values.ravel()]
    return b"".join(_LENGTH.pack(len(element)) + element for element in elements)
