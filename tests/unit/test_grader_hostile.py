"""Grading while the API server is slow, busy, broken or gone: `unknown`, never `failed`, and right once it is back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from grader.capabilities import Capabilities, Requires
from grader.live import LiveCluster
from grader.model import Check, Guard, Outcome, Report
from grader.runner import grade

NS = "serving"
KINDS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Service", "EndpointSlice", "NetworkPolicy", "ResourceQuota")
KINDS += ("ConfigMap", "Secret", "PersistentVolumeClaim", "Event", "Node")
DEPLOYMENTS = f"/api/v1/namespaces/{NS}/deployments"
Trouble = Callable[[BaseHTTPRequestHandler], bool]


def fine(_: BaseHTTPRequestHandler) -> bool:
    return False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def do_GET(self) -> None:
        if not self.world.trouble(self):
            self.say(*self.world.answer(self.path))

    def say(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that gave up."""


class World:
    """An API server with one Deployment in two pages, which may be in trouble and may go and come back."""

    def __init__(self) -> None:
        self.trouble: Trouble = fine
        self.ready = 1
        self.port = 0
        self.start()

    def start(self) -> None:
        self.handler = type("Bound", (Handler,), {"world": self})
        self.server = Server(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_port
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, Any]:
        url = urlsplit(path)
        if url.path == "/api":
            served = [
                {
                    "resource": f"{kind.lower()}s",
                    "responseKind": {"kind": kind},
                    "scope": "Cluster" if kind == "Node" else "Namespaced",
                    "verbs": ["list"],
                }
                for kind in KINDS
            ]
            return 200, {"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": served}]}]}
        if url.path != DEPLOYMENTS:
            return 200, {"items": []}
        if "continue" not in parse_qs(url.query):
            return 200, {"items": [], "metadata": {"continue": "more"}}
        meta = {
            "name": "api",
            "namespace": NS,
            "uid": "1",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        return 200, {"items": [{"metadata": meta, "status": {"observedGeneration": 1, "readyReplicas": self.ready}}]}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("grader.api.READ_SECONDS", 3.0)
    monkeypatch.setattr("grader.api._discoveries", {})
    monkeypatch.setattr("grader.looking.PATIENCE", 1.0)
    one = World()
    yield one
    one.stop()


def grading(world: World, folder: Path) -> Report:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{world.port}"}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(yaml.safe_dump(config))
    of = {"kind": "Deployment", "namespace": NS, "name": "api"}
    meta = {"name": "api", "namespace": NS}
    checks = [
        {"id": "ready", "points": 3, "cel": "d.exists(x, x.status.readyReplicas == 1)", "observe": {"d": of}},
        {
            "id": "there",
            "points": 1,
            "match": {"object": {"kind": "Deployment", "metadata": meta}},
        },
    ]
    guard = {"exists": {"of": of}}
    with closing(LiveCluster(path)) as cluster:
        return grade(
            "hostile",
            [Check.model_validate({"about": "it is so", **check}) for check in checks],
            [Guard.model_validate(guard)],
            cluster,
            has=Capabilities(),
            requires=Requires(),
            namespaces=[NS],
            baseline=None,
            settle=8,
        )


def status(code: int, body: Any) -> Trouble:
    def trouble(request: BaseHTTPRequestHandler) -> bool:
        assert isinstance(request, Handler)
        request.say(code, body)
        return True

    return trouble


def slow(request: BaseHTTPRequestHandler) -> bool:
    time.sleep(1.2)
    request.close_connection = True
    return True


def hang_up(request: BaseHTTPRequestHandler) -> bool:
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True
    return True


def cut_short(request: BaseHTTPRequestHandler) -> bool:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b'{"items": [')
    request.close_connection = True
    return True


def pages_expire(request: BaseHTTPRequestHandler) -> bool:
    return "continue" in request.path and status(410, {"message": "The provided continue parameter is too old"})(
        request
    )


TROUBLES = [
    (slow, "did not answer in time"),
    (status(429, {"message": "too many requests"}), "answered 429"),
    (status(500, {"message": "etcdserver: leader changed"}), "etcdserver: leader changed"),
    (status(503, b"\x1b[2J<html>no</html>"), "answered 503"),
    (status(401, {"message": "Unauthorized"}), "Unauthorized"),
    (hang_up, "the API server at 127.0.0.1"),
    (cut_short, "the API server at 127.0.0.1"),
    (pages_expire, "continue parameter is too old"),
]


@pytest.mark.parametrize(("trouble", "words"), TROUBLES, ids=lambda value: getattr(value, "__name__", None))
def test_a_server_in_trouble_costs_nothing_and_is_graded_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, words: str
) -> None:
    assert grading(world, tmp_path).passed
    world.trouble = trouble
    with monkeypatch.context() as patch:
        if trouble is slow:
            patch.setattr("grader.api.READ_SECONDS", 0.4)
        report = grading(world, tmp_path)
    assert {check.outcome for check in report.checks} == {Outcome.UNKNOWN}
    assert [guard.outcome for guard in report.guards] == [Outcome.UNKNOWN]
    assert (report.points, report.possible, report.passed, report.unknown) == (0, 0, False, True)
    assert words in report.checks[0].observed
    assert "\x1b" not in report.model_dump_json()
    world.trouble = fine
    assert grading(world, tmp_path).passed


def test_trouble_that_is_over_soon_is_waited_for(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.looking.PATIENCE", 5.0)
    world.trouble = status(500, {"message": "starting"})
    healing = Timer(0.8, lambda: setattr(world, "trouble", fine))
    healing.start()
    report = grading(world, tmp_path)
    assert report.passed
    healing.join()


def test_pages_that_expire_once_are_read_from_the_beginning(world: World, tmp_path: Path) -> None:
    expired: list[str] = []

    def once(request: BaseHTTPRequestHandler) -> bool:
        if DEPLOYMENTS not in request.path or "continue" not in request.path or expired:
            return False
        expired.append(request.path)
        return status(410, {"message": "too old"})(request)

    world.trouble = once
    report = grading(world, tmp_path)
    assert report.passed
    assert (len(expired), [check.looks for check in report.checks]) == (1, [1, 1])


def test_a_restart_in_the_middle_of_a_grade(world: World, tmp_path: Path) -> None:
    """A failing task whose server goes away: its failure is not told before the server says it again."""
    world.ready = 0
    stopped: list[Timer] = []

    def go_away(request: BaseHTTPRequestHandler) -> bool:
        if DEPLOYMENTS in request.path and not stopped:
            stopped.append(Timer(0.2, world.stop))
            stopped.append(Timer(0.9, world.start))
            for timer in stopped:
                timer.start()
        return False

    world.trouble = go_away
    report = grading(world, tmp_path)
    for timer in stopped:
        timer.join()
    assert [check.outcome for check in report.checks] in (
        [Outcome.FAILED, Outcome.PASSED],  # it was back in time
        [Outcome.UNKNOWN, Outcome.UNKNOWN],
    )
    world.ready = 1
    assert grading(world, tmp_path).passed


def test_a_server_that_is_gone_for_good(world: World, tmp_path: Path) -> None:
    world.stop()
    report = grading(world, tmp_path)
    assert {check.outcome for check in report.checks} == {Outcome.UNKNOWN}
    assert "labs status" in report.checks[0].observed
    world.start()
    assert grading(world, tmp_path).passed
