"""The short way of small requests answers like the usual one, whatever pieces, orders and forms requests come in."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from server_process import PATH, Line, Server, running, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = {"inputs": [{"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [0.5] * 20}]}


@pytest.fixture
def line(server: Server) -> Any:
    opened = Line(server)
    yield opened
    opened.close()


BODY = json.dumps(SHORT).encode()


def test_a_request_in_single_bytes_is_a_request(line: Line) -> None:
    for byte in whole(BODY):
        line.socket.send(bytes([byte]))
    status, headers, answer = line.answer()
    assert (status, headers["content-type"], answer["model_name"]) == (200, "application/json", "mlp")
    assert "connection" not in headers


def test_requests_in_one_packet_are_answered_in_their_order(line: Line) -> None:
    first = json.dumps(SHORT | {"id": "first"}).encode()
    wrong = json.dumps({"inputs": []}).encode()
    batch = {"inputs": [SHORT["inputs"][0] | {"shape": [70, 20], "data": [0.5] * 1400}], "id": "batch"}
    probe = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    chunked = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n".encode()
    packet = [whole(first), probe, whole(wrong), whole(json.dumps(batch).encode()), whole(first)]
    line.socket.sendall(b"".join([*packet, chunked, BODY, b"\r\n0\r\n\r\n", whole(first)]))
    answers = [line.answer() for _ in range(7)]
    assert [status for status, _, _ in answers] == [200, 200, 400, 200, 200, 200, 200]
    assert [a.get("id") for _, _, a in answers] == ["first", None, None, "batch", "first", None, "first"]
    assert answers[2][2]["error"].startswith("inputs must be a list")


@pytest.mark.parametrize(
    ("request_", "status", "closes"),
    [
        (whole(BODY, "Connection: close"), 200, True),
        (whole(BODY, version="1.0"), 200, True),
        (whole(BODY, path=PATH + "?x=1"), 200, False),
        (whole(BODY, path="/v2/models/ml%70/infer"), 200, False),
        (whole(BODY, path="/v2/models/mlp/versions/1/infer"), 200, False),
        (whole(BODY, path="/v2/models/nobody/infer"), 404, False),
        (whole(BODY, method="PUT"), 405, False),
        (whole(b""), 400, False),
        (whole(BODY, "Content-Encoding: br"), 415, False),
        (whole(b"x" * 250_000), 413, False),
    ],
)
def test_forms_of_requests(line: Line, request_: bytes, status: int, closes: bool) -> None:
    line.socket.sendall(request_)
    found, headers, answer = line.answer()
    assert found == status
    assert (status == 200) == ("outputs" in answer)
    assert headers.get("connection", "keep-alive") == ("close" if closes else "keep-alive")
    if closes:
        assert line.closed()
    else:
        line.socket.sendall(whole(BODY))
        assert line.answer()[0] == 200


def test_a_client_that_asks_first_is_told_to_go_on(line: Line) -> None:
    line.socket.sendall(
        whole(b"", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: %d" % len(BODY))
    )
    assert line.file.readline() == b"HTTP/1.1 100 Continue\r\n"
    line.file.readline()
    line.socket.sendall(BODY)
    assert line.answer()[0] == 200


def test_both_ways_answer_alike(line: Line) -> None:
    def ask(*more: str) -> Any:
        line.socket.sendall(whole(BODY, *more))
        status, headers, answer = line.answer()
        return status, headers["content-type"], answer

    assert ask() == ask("Expect: nothing-special", "Content-Encoding: identity") == ask("Connection: keep-alive")


def test_a_request_half_here_when_the_drain_begins_is_answered(models: Path) -> None:
    with running(models, MODEL_NAME="mlp") as server:
        server.wait_ready()
        line = Line(server)
        request = whole(BODY)
        line.socket.sendall(request[:-5])
        _settle(lambda: line.socket.fileno() >= 0)
        server.process.send_signal(signal.SIGTERM)
        _settle(lambda: _draining(server))
        line.socket.sendall(request[-5:])
        status, headers, _ = line.answer()
        assert (status, headers["connection"]) == (200, "close")
        line.close()
        assert server.wait_exit() == 0


def _draining(server: Server) -> bool:
    probe = Line(server)
    probe.socket.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        return probe.answer()[0] == 503
    finally:
        probe.close()


def _settle(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
