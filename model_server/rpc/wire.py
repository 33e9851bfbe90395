"""Infer requests and answers as gRPC messages.

`service` calls `decode` and `encode`. A request is brought into the form that `codec.read` checks, so that what is
wrong with it is told in the same words as over HTTP; answers are raw, as the clients' libraries expect them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from model_server import codec
from model_server.errors import BadRequest
from model_server.rpc.schema import Schema

if TYPE_CHECKING:
    from model_server.runtime import Model, Tensor
    from model_server.worker import Outputs

SCHEMA = Schema("inference.proto")

_Answer = SCHEMA.message("ModelInferResponse")
#: Where a datatype's elements stand in `contents`; FP16 and BF16 travel raw only.
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def parse(kind: Any, body: bytes) -> Any:
    """Return a message.

    Args:
        kind: Its class.
        body: As received.

    Raises:
        BadRequest: The bytes are no such message.
    """
    try:
        return kind.FromString(body)
    except DecodeError:
        raise BadRequest(f"the message is no {kind.DESCRIPTOR.name}") from None


def decode(message: Any, model: Model) -> codec.Request:
    """Check an infer request against the model's signature.

    Args:
        message: ModelInferRequest.
        model: Loaded.

    Raises:
        BadRequest: The request breaks the protocol or does not fit the model.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise BadRequest("raw_input_contents must have one element for each input")
    inputs = [_input(item, model, raw[index] if raw else None) for index, item in enumerate(message.inputs)]
    document: dict[str, Any] = {"inputs": inputs, "outputs": [{"name": output.name} for output in message.outputs]}
    if message.id:
        document["id"] = message.id
    if "timeout" in message.parameters:
        document["parameters"] = {"timeout": parameter(message.parameters["timeout"])}
    return codec.read(document, memoryview(raw[0] if len(raw) == 1 else b"".join(raw)), model)


def parameter(value: Any) -> Any:
    """Return what a parameter holds; None when it holds nothing."""
    kind = value.WhichOneof("parameter_choice")
    return None if kind is None else getattr(value, kind)


def _input(item: Any, model: Model, raw: bytes | None) -> dict[str, Any]:
    """Return an input as it would stand in JSON."""
    tensor = model.inputs.get(item.name)
    described: dict[str, Any] = {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)}
    if raw is None:
        described["data"] = _contents(item, tensor) if tensor is not None else []
        return described
    if tensor is not None and item.HasField("contents"):
        raise BadRequest(f"input {tensor.name} has both contents and raw_input_contents")
    described["parameters"] = {"binary_data_size": len(raw)}
    return described


def _contents(item: Any, tensor: Tensor) -> list[Any]:
    field = _FIELDS.get(tensor.datatype.name, "")
    for other, _ in item.contents.ListFields():
        if other.name != field:
            place = field or "raw_input_contents"
            raise BadRequest(f"elements of input {tensor.name} ({tensor.datatype.name}) belong into {place}")
    data = list(getattr(item.contents, field)) if field else []
    if field != "bytes_contents":
        return data
    try:
        return [element.decode() for element in data]
    except UnicodeDecodeError:
        raise BadRequest(f"input {tensor.name} is not UTF-8") from None


def encode(request: codec.Request, model: Model, outputs: Outputs) -> bytes:
    """Write the answer.

    Args:
        request: Says which outputs.
        model: Names and datatypes.
        outputs: In the order of the model's outputs.
    """
    answer = _Answer(model_name=model.name, model_version=str(model.version), id=request.id or "")
    for tensor, values in zip(model.outputs.values(), outputs, strict=True):
        if request.wanted is not None and tensor.name not in request.wanted:
            continue
        answer.outputs.add(name=tensor.name, datatype=tensor.datatype.name, shape=values.shape)
        answer.raw_output_contents.append(codec.to_binary(values, tensor))
    return bytes(answer.SerializeToString())
