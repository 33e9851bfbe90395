"""The probe that goes into the image, run as the grader runs it, against servers of every temper."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from grader import prober
from grader.api import Api, Reply
from grader.cluster import HttpRequest

PROBER = Path(__file__).parents[2] / "cluster-config/images/tools/prober.py"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(2)
        if self.path == "/hang-up":
            self.close_connection = True
            return
        body = (
            b"" if self.path == "/empty" else b"x" * 100_000 if self.path == "/big" else self.headers["Host"].encode()
        )
        self.send_response(204 if self.path == "/empty" else 503 if self.path == "/down" else 200)
        if self.path != "/empty":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    request_queue_size = 200  # a load comes all at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that gave up."""


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(command: str = "http", **request: Any) -> dict[str, Any]:
    words = [sys.executable, "-I", "-S", str(PROBER), command, json.dumps(request)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("path", "method", "wanted"),
    [
        ("/", "GET", (200, "", 15)),
        ("/down", "GET", (503, "", 15)),
        ("/big", "GET", (200, "", 65536)),
        ("/empty", "GET", (204, "", 0)),
        ("/", "HEAD", (200, "", 0)),
        ("/slow", "GET", (0, "timeout", 0)),
        ("/hang-up", "GET", (0, "reset", 0)),
    ],
)
def test_answers(place: str, path: str, method: str, wanted: tuple[int, str, int]) -> None:
    status, error, size = wanted
    answer = ask(url=f"http://{place}{path}", method=method, timeout=1)
    assert (answer["status"], answer["error"]) == (status, error)
    assert abs(len(answer["body"]) - size) <= 1
    assert answer["ok"] is (error == "")
    assert answer["ms"] < 1500


def test_a_body_is_sent_and_many_answers_each_have_theirs(place: str) -> None:
    answer = ask(url=f"http://{place}/", method="POST", body='{"a": 1}', count=3)
    assert [(each["status"], each["body"]) for each in answer["results"]] == [(200, '{"a": 1}')] * 3


def test_resolve_keeps_the_host(place: str) -> None:
    answer = ask(url="http://models.lab/x", resolve={"models.lab": place})
    assert (answer["status"], answer["body"]) == (200, "models.lab")


def test_no_server_no_name_no_url() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert ask(url=f"http://127.0.0.1:{taken.getsockname()[1]}/")["error"] == "refused"
    assert ask(url="http://nobody.invalid/", timeout=3)["error"] == "dns"
    command = [sys.executable, "-I", "-S", str(PROBER), "http", "{}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "not understood" in json.loads(done.stdout)["detail"]


def test_a_load_is_an_open_loop(place: str) -> None:
    """Ten a second for a second: none waits for the two seconds that each answer takes."""
    begin = time.monotonic()
    figures = ask("load", url=f"http://{place}/slow", rate=10, seconds=1, timeout=10)
    assert time.monotonic() - begin < 10  # one after the other would be twenty
    assert (figures["sent"], figures["statuses"], figures["errors"]) == (10, {"200": 10}, {})
    assert 1900 < figures["p50"] <= figures["p95"] <= figures["p99"]


@pytest.mark.parametrize(
    ("path", "statuses", "errors", "sample"),
    [
        ("/", {"200": 20}, {}, ""),
        ("/down", {"503": 20}, {}, "HTTP 503: 127.0.0.1"),
        ("/hang-up", {}, {"reset": 20}, "the connection ended without an answer"),
        ("/slow", {}, {"timeout": 20}, ""),
    ],
)
def test_what_becomes_of_a_load(
    place: str, path: str, statuses: dict[str, int], errors: dict[str, int], sample: str
) -> None:
    figures = ask("load", url=f"http://{place}{path}", rate=40, seconds=0.5, timeout=1 if path == "/slow" else 8)
    assert (figures["statuses"], figures["errors"]) == (statuses, errors)
    assert figures["sample"].startswith(sample)


def test_a_load_carries_a_body_and_knows_when_nobody_is_there(place: str) -> None:
    figures = ask("load", url=f"http://{place}/", method="POST", body='{"a": 1}', rate=20, seconds=0.2)
    assert figures["statuses"] == {"200": 4}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = ask("load", url=f"http://127.0.0.1:{taken.getsockname()[1]}/", rate=20, seconds=0.2)
    assert nobody["errors"] == {"refused": 4}
    assert ask("load", url="http://nobody.invalid/", rate=20, seconds=5, timeout=3)["errors"] == {"dns": 100}


@pytest.mark.parametrize(
    ("rounds", "statuses"),
    [
        ([[200, 0, 200], [200]], [200, 200, 200]),
        ([[200, 0, 0], [0, 200]], [200, 0, 200]),  # once more, not for ever
        ([[0, 0]], [0, 0]),  # no answer at all is an answer
        ([[200, 200]], [200, 200]),
    ],
)
def test_what_only_the_name_server_held_up_is_sent_once_more(
    monkeypatch: pytest.MonkeyPatch, rounds: list[list[int]], statuses: list[int]
) -> None:
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    spec = {"containers": [{"name": "prober", "image": "tools"}]}
    pod = {"metadata": {"namespace": "lab-system", "name": "lab-prober-x"}, "spec": spec, "status": status}
    left = iter(rounds)

    class OnePod(Api):
        def __init__(self) -> None:
            """Ask nobody."""

        def request(self, *_: Any, **__: Any) -> Reply:
            return Reply(200, {"items": [pod]})

    def run(_api: Any, _path: str, _container: str, words: list[str], _seconds: float) -> str:
        answers = next(left)
        assert json.loads(words[-1])["count"] == len(answers)
        late = {"status": 0, "error": "dns", "detail": "[Errno -3] the name was not resolved in time"}
        return json.dumps({"results": [{"status": status} if status else late for status in answers]})

    monkeypatch.setattr(prober, "run_in_pod", run)
    answers = prober.Prober(OnePod()).send(HttpRequest("http://web.x.svc/", count=len(rounds[0])))
    assert sorted(answer.status for answer in answers) == sorted(statuses)
    assert next(left, None) is None
