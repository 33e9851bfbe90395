"""Calls over gRPC without Triton's client in between, which would repair or refuse what the tests send wrong."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

INFER = "/inference.GRPCInferenceService/ModelInfer"


@contextlib.contextmanager
def channel(target: str) -> Iterator[grpc.Channel]:
    """A connection that sends messages of any size."""
    with grpc.insecure_channel(target, options=[("grpc.max_send_message_length", -1)]) as opened:
        yield opened


def call(opened: grpc.Channel, method: str, body: bytes = b"", **how: Any) -> bytes:
    """Send bytes, return bytes."""
    answer: bytes = opened.unary_unary(method)(body, timeout=how.pop("timeout", 20), **how)
    return answer


def refusal(opened: grpc.Channel, body: bytes, method: str = INFER, **how: Any) -> tuple[grpc.StatusCode, str]:
    """Code and text of a call that must fail."""
    try:
        call(opened, method, body, **how)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("it was answered")


def mlp(*rows: float, **more: Any) -> Any:
    """A request with one row of twenty equal numbers per argument, typed."""
    request = service_pb2.ModelInferRequest(model_name="mlp", **more)
    item = request.inputs.add(name="input", datatype="FP32", shape=[len(rows), 20])
    item.contents.fp32_contents.extend(value for value in rows for _ in range(20))
    return request
