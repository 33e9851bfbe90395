"""A collector of traces, and thousands of broken requests. Triton's clients have a file of their own."""

from __future__ import annotations

import json
import random
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
from server_process import mlp_request, running

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Server

PAYLOAD = "SECRET-PAYLOAD"


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
