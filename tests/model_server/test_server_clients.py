"""Real clients and hostile ones: Triton's client library, a collector of traces, and thousands of broken requests."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from server_process import mlp_request, running

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Server

PAYLOAD = "SECRET-PAYLOAD"


def test_tritons_client(server: Server) -> None:
    http = pytest.importorskip("tritonclient.http")
    client = http.InferenceServerClient(server.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("mlp", "1")
        assert not client.is_model_ready("none")
        assert client.get_server_metadata()["name"] == "model-server"
        assert client.get_model_metadata("mlp")["inputs"][0]["name"] == "input"
        assert client.get_model_config("mlp")["max_batch_size"] == 64
        assert client.get_inference_statistics("mlp")["model_stats"]
        assert {"name": "text", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()
        rows = np.ones((3, 20), np.float32)
        for binary in (True, False):
            for compression in (None, "gzip", "deflate"):
                given = http.InferInput("input", [3, 20], "FP32")
                given.set_data_from_numpy(rows, binary_data=binary)
                wanted = [http.InferRequestedOutput("output", binary_data=not binary)]
                answer = client.infer("mlp", [given], outputs=wanted, request_compression_algorithm=compression)
                assert answer.as_numpy("output").shape == (3, 10)
                assert answer.as_numpy("output").sum(axis=1) == pytest.approx([1.0] * 3, rel=1e-5)
        text = http.InferInput("text", [2], "BYTES")
        text.set_data_from_numpy(np.array(["my parcel is late", "refund"], dtype=object))
        labels = client.infer("text", [text], request_id="7", timeout=5_000_000)
        assert labels.get_response()["id"] == "7"
        assert [bytes(label) for label in labels.as_numpy("label")] == [b"delivery", b"billing"]
        with pytest.raises(Exception, match="unknown model"):
            client.infer("none", [text])
    finally:
        client.close()


class Collector(HTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.spans: list[dict[str, Any]] = []


class _Keep(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        for each in document["resourceSpans"]:
            for scope in each["scopeSpans"]:
                self.server.spans += scope["spans"]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_sampled_requests_reach_the_collector_in_their_trace(models: Path) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        with running(models, MODEL_NAME="fixed", ACCESS_LOG="1", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
            server.wait_ready()
            for flags in ("00", "01", "zz"):
                headers = {"traceparent": f"00-{trace}-{span}-{flags}"}
                httpx.post(f"{server.url}/v2/models/fixed/infer", json=mlp_request(1.0), headers=headers)
            server.process.send_signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        collector.shutdown()
        thread.join()
    [sent] = collector.spans
    assert (sent["traceId"], sent["parentSpanId"]) == (trace, span)
    assert int(sent["endTimeUnixNano"]) > int(sent["startTimeUnixNano"])
    assert {"key": "inference.model", "value": {"stringValue": "fixed"}} in sent["attributes"]
    assert [line.get("trace_id") for line in server.lines if line["message"] == "request"] == [trace, trace, None]


def broken_bodies(count: int) -> list[tuple[bytes, bool]]:
    """Bodies that no model can take, and whether each comes with a binary length; the same ones every time."""
    chance = random.Random(5)  # noqa: S311 - a test has to repeat
    good = json.dumps(mlp_request(1.0)).encode()
    nasty: list[Any] = [None, True, -1, 2**70, 1e308, "", PAYLOAD, [], {}, [[[]]], {"a": {}}, [PAYLOAD]]
    bodies: list[tuple[bytes, bool]] = []
    while len(bodies) < count:
        kind = chance.randrange(4)
        if kind == 0:  # cut
            body = good[: chance.randrange(len(good) - 1)]
        elif kind == 1:  # a wrong value somewhere
            document = json.loads(good)
            target = chance.choice([document, document["inputs"][0]])
            key = chance.choice(list(target))
            target[key] = chance.choice(nasty)
            body = json.dumps(document).encode()
        elif kind == 2:  # bent bytes
            bent = bytearray(good)
            bent[chance.randrange(12)] = chance.randrange(256)
            body = bytes(bent) + PAYLOAD.encode()
        else:
            body = chance.randbytes(chance.randrange(200)) + PAYLOAD.encode()
        bodies.append((body, chance.random() < 0.3))
    return bodies


def test_five_thousand_broken_requests(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    seen = set()
    answers = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        stream = connection.makefile("rb")
        for body, binary in broken_bodies(5000):
            head = f"POST /v2/models/mlp/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            if binary:
                head += f"Inference-Header-Content-Length: {len(body) // 2}\r\n"
            connection.sendall(head.encode() + b"\r\n" + body)
            status = int(stream.readline().split()[1])
            seen.add(status)
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answer = stream.read(length)
            if status != 200:
                assert list(json.loads(answer)) == ["error"]
                answers += answer
        stream.close()
    assert seen <= {200, 400}
    assert PAYLOAD.encode() not in answers
    assert not any(PAYLOAD in json.dumps(line) for line in server.lines)
