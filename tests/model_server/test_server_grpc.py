"""The protocol over gRPC: what clients send, in both forms, and what they get when they send it wrong."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from grpc_calls import INFER, call, channel, mlp, refusal
from tritonclient.grpc import service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from server_process import Server

INVALID = grpc.StatusCode.INVALID_ARGUMENT
#: Input of the models that echo → its datatype, its elements' field, its type in NumPy, and two rows of three.
TYPED: dict[str, tuple[str, str, str, Any]] = {
    "BOOL": ("BOOL", "bool_contents", "?", [True, False, True] * 2),
    "UINT8": ("UINT8", "uint_contents", "u1", [0, 1, 255] * 2),
    "UINT16": ("UINT16", "uint_contents", "<u2", [0, 1, 65535] * 2),
    "UINT32": ("UINT32", "uint_contents", "<u4", [0, 1, 2**32 - 1] * 2),
    "UINT64": ("UINT64", "uint64_contents", "<u8", [0, 1, 2**64 - 1] * 2),
    "INT8": ("INT8", "int_contents", "i1", [-128, 0, 127] * 2),
    "INT16": ("INT16", "int_contents", "<i2", [-32768, 0, 32767] * 2),
    "INT32": ("INT32", "int_contents", "<i4", [-(2**31), 0, 2**31 - 1] * 2),
    "INT64": ("INT64", "int64_contents", "<i8", [-(2**63), 0, 2**63 - 1] * 2),
    "FLOAT": ("FP32", "fp32_contents", "<f4", [0.5, -1.5, 3.0] * 2),
    "DOUBLE": ("FP64", "fp64_contents", "<f8", [0.1, -1e300, 3.0] * 2),
    "STRING": ("BYTES", "bytes_contents", "", [b"", "ä".encode(), b"c\x00"] * 2),
}


def raw(name: str) -> bytes:
    """The values of `TYPED` in the form of the binary extension."""
    _, _, dtype, values = TYPED[name]
    if dtype:
        return np.array(values, np.dtype(dtype)).tobytes()
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)


@pytest.fixture
def line(server: Server) -> Iterator[grpc.Channel]:
    with channel(server.grpc) as opened:
        yield opened


def infer(line: grpc.Channel, request: Any) -> dict[str, bytes]:
    answer = service_pb2.ModelInferResponse.FromString(call(line, INFER, request.SerializeToString()))
    assert not any(output.HasField("contents") for output in answer.outputs)
    return dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))


def test_typed_elements_of_every_datatype_come_back_raw(line: grpc.Channel) -> None:
    request = service_pb2.ModelInferRequest(model_name="typed")
    for name, (datatype, field, _, values) in TYPED.items():
        item = request.inputs.add(name=name, datatype=datatype, shape=[2, 3])
        getattr(item.contents, field).extend(values)
    assert infer(line, request) == {f"{name}_OUT": raw(name) for name in TYPED}


def test_raw_elements_of_every_datatype_come_back_raw(line: grpc.Channel) -> None:
    request = service_pb2.ModelInferRequest(model_name="echo", id="a")
    sent = {name: raw(name) for name in TYPED} | {"FLOAT16": np.array([1.0, -0.5, 65504.0] * 2, "<f2").tobytes()}
    for name, content in sent.items():
        datatype = TYPED[name][0] if name in TYPED else "FP16"
        request.inputs.add(name=name, datatype=datatype, shape=[2, 3])
        request.raw_input_contents.append(content)
    assert infer(line, request) == {f"{name}_OUT": content for name, content in sent.items()}
    request.outputs.add(name="INT8_OUT")
    answer = service_pb2.ModelInferResponse.FromString(call(line, INFER, request.SerializeToString()))
    assert (answer.model_name, answer.model_version, answer.id) == ("echo", "1", "a")
    assert [(output.name, output.datatype, list(output.shape)) for output in answer.outputs] == [
        ("INT8_OUT", "INT8", [2, 3])
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"}, {"name": ""}, {"datatype": "INT64"}, {"datatype": ""}, {"shape": [1]}, {"shape": [1, 21]},
        {"shape": [-1, 20]}, {"shape": [0, 20], "data": []}, {"shape": [2, 20]}, {"shape": [2**62, 20]},
        {"data": [1.0] * 19}, {"data": []},
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_words_of_http(
    line: grpc.Channel, client: httpx.Client, changes: dict[str, Any]
) -> None:
    item: dict[str, Any] = {"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [1.0] * 20} | changes
    told = client.post("/v2/models/mlp/infer", json={"inputs": [item]})
    request = service_pb2.ModelInferRequest(model_name="mlp")
    given = request.inputs.add(name=item["name"], datatype=item["datatype"], shape=item["shape"])
    given.contents.fp32_contents.extend(item["data"])
    assert told.status_code == 400
    assert refusal(line, request.SerializeToString()) == (INVALID, told.json()["error"])
    assert len(call(line, INFER, mlp(1.0).SerializeToString())) > 40


def test_what_http_cannot_get_wrong(line: grpc.Channel) -> None:
    twice = mlp(1.0)
    twice.raw_input_contents.append(b"\x00" * 80)
    few = mlp(1.0)
    few.inputs.add().CopyFrom(few.inputs[0])
    few.raw_input_contents.append(b"")
    elsewhere = mlp()
    elsewhere.inputs[0].contents.fp64_contents.append(1.0)
    late = mlp(1.0)
    late.parameters["timeout"].string_param = "soon"
    half = service_pb2.ModelInferRequest(model_name="halves")
    half.inputs.add(name="FLOAT", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1.0] * 3)
    half.inputs.add(name="BFLOAT16", datatype="BF16", shape=[1, 3]).contents.fp32_contents.extend([1.0] * 3)
    text = service_pb2.ModelInferRequest(model_name="text")
    text.inputs.add(name="text", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"\xff")
    wide = service_pb2.ModelInferRequest(model_name="typed")
    wide.inputs.add(name="INT8", datatype="INT8", shape=[1, 3]).contents.int_contents.extend([128] * 3)
    for request, told in (
        (twice, "input input has both contents and raw_input_contents"),
        (few, "raw_input_contents must have one element for each input"),
        (elsewhere, "elements of input input (FP32) belong into fp32_contents"),
        (late, "parameter timeout must be whole microseconds"),
        (half, "elements of input BFLOAT16 (BF16) belong into raw_input_contents"),
        (text, "input text is not UTF-8"),
        (wide, "data of input INT8 is ragged or not all INT8"),
    ):
        assert refusal(line, request.SerializeToString()) == (INVALID, told)
    assert refusal(line, b"\xff\xff") == (INVALID, "the message is no ModelInferRequest")
    ready = "/inference.GRPCInferenceService/ModelReady"
    assert refusal(line, b"\xff\xff", ready) == (INVALID, "the message is no ModelReadyRequest")
    assert refusal(line, b"", "/inference.GRPCInferenceService/ModelStreamInfer")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_models_and_versions_that_are_not_here(line: grpc.Channel, client: httpx.Client) -> None:
    def unknown() -> float:
        page = client.get("/metrics").text
        return float(page.split("\ninference_unknown_model_requests_total ")[1].split("\n")[0])

    before = unknown()
    for name, version in (("nobody", ""), ("mlp", "9"), ("mlp", "one")):
        path = f"/v2/models/{name}" + (f"/versions/{version}" if version else "") + "/infer"
        told = client.post(path, json={})
        request = service_pb2.ModelInferRequest(model_name=name, model_version=version)
        assert told.status_code == 404
        assert refusal(line, request.SerializeToString()) == (grpc.StatusCode.NOT_FOUND, told.json()["error"])
    assert unknown() == before + 6


def test_messages_are_as_large_as_bodies_may_be(line: grpc.Channel) -> None:
    def message(size: int) -> bytes:
        return bytes(mlp(1.0, id="x" * size).SerializeToString())

    assert len(call(line, INFER, message(150_000))) > 150_000  # the limit of this server is 200,000
    assert refusal(line, message(200_000))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(gzip.compress(message(2_000_000))) < 10_000
    code, _ = refusal(line, message(2_000_000), compression=grpc.Compression.Gzip)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(call(line, INFER, message(1000), compression=grpc.Compression.Gzip)) > 1000


def test_versions_are_chosen_as_over_http(line: grpc.Channel, client: httpx.Client) -> None:
    for version, wanted in (("", "2"), ("1", "1"), ("2", "2")):
        path = "/v2/models/mlp" + (f"/versions/{version}" if version else "") + "/infer"
        item = {"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [1.0] * 20}
        over_http = client.post(path, json={"inputs": [item]}).json()["outputs"][0]["data"]
        body = call(line, INFER, mlp(1.0, model_version=version).SerializeToString())
        answer = service_pb2.ModelInferResponse.FromString(body)
        assert answer.model_version == wanted
        assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == pytest.approx(over_http, rel=1e-6)


def test_health_as_kubernetes_asks_it(line: grpc.Channel) -> None:
    check = "/grpc.health.v1.Health/Check"
    for service in ("", "inference.GRPCInferenceService", "readiness", "liveness"):
        asked = b"\x0a" + bytes([len(service)]) + service.encode()
        assert call(line, check, asked) == b"\x08\x01"  # SERVING
    assert refusal(line, b"\x0a\x01x", check) == (grpc.StatusCode.NOT_FOUND, "unknown service")
