"""The Open Inference Protocol from outside: what clients send, and what they get when they send it wrong."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from server_process import mlp_request

if TYPE_CHECKING:
    from server_process import Server

#: Softmax of `mlp` for a row of ones, by version; golden, so that a change of seed or arithmetic shows.
GOLDEN = {
    "1": [0.1376408, 0.0989449, 0.0627054, 0.1112821, 0.1563553, 0.0998454, 0.0731844, 0.0917468, 0.0739660, 0.0943288],
    "2": [0.1287554, 0.0573915, 0.0554837, 0.0981006, 0.0984352, 0.1381152, 0.0960708, 0.0887391, 0.0961330, 0.1427754],
}
DTYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FLOAT16": "<f2", "FLOAT": "<f4", "DOUBLE": "<f8",
}  # fmt: skip
PROTOCOL = {"FLOAT16": "FP16", "FLOAT": "FP32", "DOUBLE": "FP64", "STRING": "BYTES"}


def outputs(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {item["name"]: item for item in response.json()["outputs"]}


def test_health_and_metadata(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert "binary_tensor_data" in client.get("/v2").json()["extensions"]
    about = client.get("/v2/models/mlp").json()
    assert about["versions"] == ["1", "2"]
    assert about["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 20]}]
    assert client.get("/v2/models/mlp/versions/1").json()["name"] == "mlp"
    assert client.get("/v2/models/mlp/ready").json()["version"] == "2"
    assert client.get("/v2/models/mlp/versions/1/ready").status_code == 200
    assert client.get("/v2/models/mlp/config").json()["max_batch_size"] == 64
    assert client.get("/v2/models/fixed/config").json()["input"][0]["dims"] == [1, 20]


@pytest.mark.parametrize(("path", "version"), [("", "2"), ("/versions/1", "1"), ("/versions/2", "2")])
def test_answers_are_golden_and_name_their_version(client: httpx.Client, path: str, version: str) -> None:
    response = client.post(f"/v2/models/mlp{path}/infer", json=mlp_request(1.0) | {"id": "mine"})
    answer = response.json()
    assert (answer["id"], answer["model_version"]) == ("mine", version)
    assert answer["outputs"][0]["data"] == pytest.approx(GOLDEN[version], rel=1e-4)


def test_no_content_type_is_needed(client: httpx.Client) -> None:
    response = client.post("/v2/models/mlp/infer", content=json.dumps(mlp_request(1.0)))
    assert "content-type" not in response.request.headers
    assert response.status_code == 200


def test_sentences_go_in_and_labels_come_out(client: httpx.Client) -> None:
    sentences = ["My parcel is LATE", "", "an error at login"]
    request = {"inputs": [{"name": "text", "shape": [3], "datatype": "BYTES", "data": sentences}]}
    got = outputs(client.post("/v2/models/text/infer", json=request))
    assert got["label"]["data"] == ["delivery", "billing", "technical"]
    assert got["probabilities"]["shape"] == [3, 4]


def test_every_datatype_survives_json_and_binary_in_one_request(client: httpx.Client) -> None:
    values = {kind: np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype) for kind, dtype in DTYPES.items()}
    inputs: list[dict[str, Any]] = []
    tail = b""
    for position, (kind, array) in enumerate(values.items()):
        item: dict[str, Any] = {"name": kind, "shape": [2, 3], "datatype": PROTOCOL.get(kind, kind)}
        if position % 2:
            item["data"] = array.tolist()  # nested
        else:
            item["parameters"] = {"binary_data_size": array.nbytes}
            tail += array.tobytes()
        inputs.append(item)
    strings = ["", "ä", "b", "c", "d", "e\x00"]
    raw = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in strings)
    inputs.append(
        {"name": "STRING", "shape": [2, 3], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    )
    wanted = [{"name": f"{kind}_OUT", "parameters": {"binary_data": kind in {"INT16", "FLOAT"}}} for kind in values]
    head = json.dumps({"inputs": inputs, "outputs": [*wanted, {"name": "STRING_OUT"}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.post("/v2/models/echo/infer", content=head + tail + raw, headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    got = {item["name"]: item for item in json.loads(response.content[:length])["outputs"]}
    for kind, array in values.items():
        if kind not in {"INT16", "FLOAT"}:
            assert got[f"{kind}_OUT"]["data"] == array.ravel().tolist(), kind
    assert got["STRING_OUT"]["data"] == strings
    assert response.content[length:] == values["INT16"].tobytes() + values["FLOAT"].tobytes()


def test_bf16_is_exact_as_binary_and_rounded_in_json(client: httpx.Client) -> None:
    raw = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], "<u2").tobytes()  # 1, -2, infinity, the smallest
    other = {"name": "FLOAT", "shape": [2, 3], "datatype": "FP32", "data": [0.0] * 6}
    halves = {"name": "BFLOAT16", "shape": [2, 3], "datatype": "BF16"}
    wanted = {"parameters": {"binary_data_output": True}, "outputs": [{"name": "BFLOAT16_OUT"}]}
    raw += b"\x00" * 4
    head = json.dumps({"inputs": [other, halves | {"parameters": {"binary_data_size": 12}}]} | wanted).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.post("/v2/models/halves/infer", content=head + raw, headers=headers)
    assert response.content[int(response.headers["inference-header-content-length"]) :] == raw
    request = {"inputs": [other, halves | {"data": [1.0, -2.5, 1.00390625, 1.01171875, 3.0e38, 0.1]}]}
    got = outputs(client.post("/v2/models/halves/infer", json=request))["BFLOAT16_OUT"]["data"]
    assert got == [
        1.0,
        -2.5,
        1.0,
        1.015625,
        pytest.approx(3.0e38, rel=0.01),
        pytest.approx(0.1, rel=1e-3),
    ]  # ties go to even


def test_all_outputs_as_binary(client: httpx.Client) -> None:
    response = client.post(
        "/v2/models/mlp/infer", json=mlp_request(1.0, 1.0) | {"parameters": {"binary_data_output": True}}
    )
    length = int(response.headers["inference-header-content-length"])
    assert response.headers["content-type"] == "application/octet-stream"
    assert np.frombuffer(response.content[length:], "<f4").tolist() == pytest.approx(GOLDEN["2"] * 2, rel=1e-4)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
def test_compressed_bodies(client: httpx.Client, encoding: str, compress: Any) -> None:
    body = json.dumps(mlp_request(1.0)).encode()
    headers = {"Content-Encoding": encoding}
    assert client.post("/v2/models/mlp/infer", content=compress(body), headers=headers).status_code == 200
    bomb = compress(b" " * 300_000)
    assert client.post("/v2/models/mlp/infer", content=bomb, headers=headers).status_code == 413
    cut = client.post("/v2/models/mlp/infer", content=compress(body)[:-9], headers=headers)
    assert (cut.status_code, list(cut.json())) == (400, ["error"])


def one(**changes: Any) -> dict[str, Any]:
    return {"inputs": [mlp_request(1.0)["inputs"][0] | changes]}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", {}, {"inputs": []}, {"inputs": {}}, {"inputs": [1]}, {"inputs": [{}]},
        one(name="other"), one(name=None), one(datatype="INT64"), one(datatype=None), one(shape=[1]),
        one(shape=[1, 21]), one(shape=[-1, 20]), one(shape=[True, 20]), one(shape="x"), one(shape=[0, 20], data=[]),
        one(shape=[2**62, 20]),
        one(data=None), one(data=[1.0] * 19), one(data="x" * 20), one(data=["1"] * 20), one(data=[None] * 20),
        one(data=[[1.0] * 9, [1.0] * 11]),
        one(data=[1.0] * 19 + ["x" * 100_000]), one(data=[True] * 20), one(parameters={"binary_data_size": 80}),
        {"inputs": mlp_request(1.0)["inputs"] * 2}, one() | {"id": 7}, one() | {"outputs": [{"name": "nope"}]},
        one() | {"outputs": 1}, one() | {"parameters": []}, one() | {"parameters": {"timeout": "1"}},
    ],
)  # fmt: skip
def test_a_wrong_request_gets_400_and_keeps_its_connection(client: httpx.Client, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/v2/models/mlp/infer", content=content)
    assert response.status_code == 400, response.text
    assert list(response.json()) == ["error"]
    assert "connection" not in response.headers
    assert client.post("/v2/models/mlp/infer", json=mlp_request(1.0)).status_code == 200


@pytest.mark.parametrize("value", [1.5, 2**40, -(2**40), "1", None, True])
def test_numbers_are_never_bent_to_fit(client: httpx.Client, value: Any) -> None:
    inputs: list[dict[str, Any]] = [
        {
            "name": kind,
            "shape": [1, 3],
            "datatype": PROTOCOL.get(kind, kind),
            "data": [False] * 3 if kind == "BOOL" else [0] * 3,
        }
        for kind in DTYPES
    ]
    inputs.append({"name": "STRING", "shape": [1, 3], "datatype": "BYTES", "data": [""] * 3})
    assert client.post("/v2/models/echo/infer", json={"inputs": inputs}).status_code == 200
    next(item for item in inputs if item["name"] == "INT32")["data"] = (
        [value, 0, 0] if value is not True else [True] * 3
    )
    assert client.post("/v2/models/echo/infer", json={"inputs": inputs}).status_code == 400


@pytest.mark.parametrize("length", ["x", "-1", "99999999999", "99999999999999999999", "10"])
def test_a_binary_body_never_comes_back_or_into_the_log(client: httpx.Client, server: Server, length: str) -> None:
    secret = b"\x00SECRET-PAYLOAD\xff" * 20
    headers = {"Inference-Header-Content-Length": length, "Content-Type": "application/octet-stream"}
    response = client.post("/v2/models/mlp/infer", content=secret, headers=headers)
    assert response.status_code == 400
    assert b"SECRET" not in response.content
    assert not any("SECRET" in json.dumps(line) for line in server.lines)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404), ("GET", "/", 404), ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("GET", "/v2/models/mlp/versions/3", 404), ("GET", "/v2/models/mlp/versions/x/ready", 404),
        ("POST", "/v2/models/none/infer", 404), ("POST", "/v2/models/mlp/versions/3/infer", 404),
        ("POST", "/v2/models/mlp/versions/01x/infer", 404), ("POST", "/v2/models/a/b/infer", 404),
        ("GET", "/v2/models/mlp/infer", 405), ("POST", "/v2/health/live", 405), ("DELETE", "/v2/models/mlp", 405),
    ],
)  # fmt: skip
def test_errors_have_one_form(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert response.headers["content-type"] == "application/json"
    assert (status == 405) == ("allow" in response.headers)


def test_other_refusals(client: httpx.Client) -> None:
    big = client.post("/v2/models/mlp/infer", content=b"x" * 200_001)
    assert (big.status_code, list(big.json())) == (413, ["error"])

    def chunks() -> Any:
        yield from (b"x" * 50_000 for _ in range(5))

    assert client.post("/v2/models/mlp/infer", content=chunks()).status_code == 413
    brotli = client.post("/v2/models/mlp/infer", content=b"x", headers={"Content-Encoding": "br"})
    assert (brotli.status_code, brotli.headers["accept-encoding"]) == (415, "gzip, deflate")


def test_metrics_statistics_and_the_access_log_agree(client: httpx.Client, server: Server) -> None:
    def counted() -> float:
        wanted = 'inference_requests_total{model="fixed",outcome="success",version="1"} '
        lines = client.get("/metrics").text.splitlines()
        return float(next(line.removeprefix(wanted) for line in lines if line.startswith(wanted)))

    before = counted()
    trace = "0af7651916cd43dd8448eb211c80319c"
    for _ in range(3):
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        assert client.post("/v2/models/fixed/infer", json=mlp_request(1.0), headers=headers).status_code == 200
    assert counted() == before + 3
    stats = client.get("/v2/models/fixed/stats").json()["model_stats"][0]
    assert stats["inference_stats"]["success"]["count"] == before + 3
    assert stats["batch_stats"][0]["batch_size"] == 1
    text = client.get("/metrics").text
    for name in (
        "inference_request_duration_seconds_bucket",
        "inference_queue_duration_seconds_count", "inference_batch_size_sum",
        "inference_compute_duration_seconds_sum", "inference_requests_in_flight", "inference_queue_depth",
        'inference_model_info{model="mlp",platform="onnxruntime",provider="CPUExecutionProvider",version="2"} 1.0',
        "inference_model_load_seconds", "inference_unknown_model_requests_total", "process_resident_memory_bytes",
    ):  # fmt: skip
        assert name in text
    line = next(line for line in reversed(server.lines) if line.get("trace_id") == trace)
    assert (line["model"], line["version"], line["status"]) == ("fixed", 1, 200)


def test_fixed_batch_takes_exactly_one_row(client: httpx.Client) -> None:
    assert client.post("/v2/models/fixed/infer", json=mlp_request(1.0)).status_code == 200
    assert client.post("/v2/models/fixed/infer", json=mlp_request(1.0, 2.0)).status_code == 400
