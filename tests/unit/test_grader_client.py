"""The way to an API server, on a small HTTP server that plays one: discovery, pages, retries; kustomize's fences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from grader.errors import ExpressionError, Refused, Unanswered
from grader.kustomize import render
from grader.live import LiveCluster
from grader.model import Access, Objects

Answer = tuple[int, Any]


class Server:
    """An API server of a few paths."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.kinds = {"Pod": "pods", "Node": "nodes"}
        self.pages: dict[str, Callable[[dict[str, list[str]]], Answer]] = {}
        self.date = datetime.now(UTC)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def date_time_string(self, _timestamp: float | None = None) -> str:
                return format_datetime(outer.date, usegmt=True)

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                outer.asked.append(self.path)
                status, body = outer.answer(url.path, parse_qs(url.query))
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                outer.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path in self.pages:
            return self.pages[path](query)
        if path == "/api":
            served = [
                {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": ["list"]}
                for kind, plural in self.kinds.items()
            ]
            return 200, {"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": served}]}]}
        if path == "/apis":
            return 200, {"items": []}
        return 404, {"message": "not found"}


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


def kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def cluster(server: Server, tmp_path: Path) -> Iterator[LiveCluster]:
    with closing(LiveCluster(kubeconfig(tmp_path, f"http://127.0.0.1:{server.http.server_port}"))) as one:
        yield one


PODS = Objects(kind="Pod", namespace="serving", selector="app=x")
PATH = "/api/v1/namespaces/serving/pods"


def test_pages_are_joined_and_items_say_what_they_are(server: Server, cluster: LiveCluster) -> None:
    def page(query: dict[str, list[str]]) -> Answer:
        assert query["labelSelector"] == ["app=x"]
        if "continue" in query:
            return 200, {"items": [{"metadata": {"name": "b"}}], "metadata": {}}
        return 200, {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "token"}}

    server.pages[PATH] = page
    assert cluster.read(PODS) == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}} for name in ("a", "b")
    ]


def test_discovery_is_asked_once_and_again_for_a_new_kind(
    server: Server, cluster: LiveCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/api/v1/nodes"] = server.pages[PATH] = lambda _: (200, {"items": []})
    for _ in range(3):
        cluster.read(PODS)
        cluster.read(Objects(kind="Node"))
    assert server.asked.count("/api") == 1
    monkeypatch.setattr("grader.api.REFRESH_SECONDS", 0.0)
    assert cluster.read(Objects(kind="Widget")) == []
    server.kinds["Widget"] = "widgets"
    server.pages["/api/v1/widgets"] = lambda _: (200, {"items": [{"metadata": {"name": "w"}}]})
    assert [w["kind"] for w in cluster.read(Objects(kind="Widget"))] == ["Widget"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_one_hiccup_is_forgiven_and_two_are_unanswered(server: Server, cluster: LiveCluster, status: int) -> None:
    answers: list[Answer] = [(status, {"message": "etcd is slow"}), (200, {"items": []})]
    server.pages[PATH] = lambda _: answers.pop(0)
    assert cluster.read(PODS) == []
    server.pages[PATH] = lambda _: (status, {"message": "etcd is slow"})
    with pytest.raises(Unanswered, match=f"answered {status} to GET {PATH}: etcd is slow"):
        cluster.read(PODS)


def test_refusals_and_mistakes_are_told_apart(server: Server, cluster: LiveCluster) -> None:
    server.pages[PATH] = lambda _: (403, {"message": "pods is forbidden"})
    with pytest.raises(Unanswered, match="refuses to list Pod: pods is forbidden"):
        cluster.read(PODS)
    server.pages[PATH] = lambda _: (400, {"message": "unable to parse requirement"})
    with pytest.raises(ExpressionError, match="unable to parse"):
        cluster.read(PODS)
    server.pages[PATH] = lambda _: (404, {"message": "gone"})
    assert cluster.read(PODS) == []


def test_a_service_account_is_asked_about_with_its_groups(server: Server, cluster: LiveCluster) -> None:
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    server.pages[path] = lambda _: (201, {"status": {"allowed": True, "reason": "RBAC"}})
    question = Access(serviceaccount="serving/reader", verb="get", resource="pods/log", namespace="serving")
    assert cluster.allowed(question) == (True, "RBAC")
    spec = server.bodies[0]["spec"]
    assert spec["user"] == "system:serviceaccount:serving:reader"
    assert set(spec["groups"]) == {"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:serving"}
    assert spec["resourceAttributes"] == {
        "verb": "get",
        "resource": "pods",
        "subresource": "log",
        "namespace": "serving",
    }


def test_the_servers_clock_is_known(server: Server, cluster: LiveCluster) -> None:
    server.date = datetime.now(UTC) + timedelta(hours=1)
    server.pages[PATH] = lambda _: (200, {"items": []})
    cluster.read(PODS)
    assert abs(cluster.now() - server.date) < timedelta(seconds=5)


def test_nobody_there_is_unanswered_with_a_hint(tmp_path: Path) -> None:
    with closing(LiveCluster(kubeconfig(tmp_path, "http://127.0.0.1:9"))) as cluster:
        with pytest.raises(Unanswered, match=r"127\.0\.0\.1:9 cannot be reached") as caught:
            cluster.read(PODS)
        assert "labs status" in caught.value.hint


@pytest.mark.parametrize("text", ["", "a: [", "{}", "kind: Config\ncurrent-context: x\n"])
def test_a_broken_kubeconfig_is_unanswered(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(Unanswered, match="cannot be used"):
        LiveCluster(path)
    with pytest.raises(Unanswered, match="cannot be used"):
        LiveCluster(tmp_path / "absent")


# --- kustomize -------------------------------------------------------------------------------------------------------


def kubectl(folder: Path, script: str) -> Path:
    path = folder / "kubectl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_rendered_objects(tmp_path: Path) -> None:
    (tmp_path / "work/prod").mkdir(parents=True)
    tool = kubectl(tmp_path, 'echo "kind: Service"; echo "metadata: {name: $1}"; echo ---; echo "kind: $HTTPS_PROXY"')
    assert render(tmp_path / "work", "prod", tool) == [
        {"kind": "Service", "metadata": {"name": "kustomize"}},
        {"kind": "http://127.0.0.1:9", "metadata": {}},
    ]


def test_a_folder_is_marked_in_a_copy(tmp_path: Path) -> None:
    for name in ("base", "prod"):
        (tmp_path / "work" / name).mkdir(parents=True)
    (tmp_path / "work/base/kustomization.yaml").write_text("resources: [x.yaml]\n")
    tool = kubectl(tmp_path, 'for f in base base.unmarked; do /bin/cat "$2/../$f/kustomization.yaml"; echo ---; done')
    assert render(tmp_path / "work", "prod", tool, marked="base") == [
        {
            "resources": ["../base.unmarked"],
            "commonAnnotations": {"labs.io/marked": "true"},
            "patches": [
                {
                    "target": {"kind": "Deployment"},
                    "patch": '[{"op": "replace", "path": "/spec/template/spec/containers/0/image",'
                    ' "value": "labs.io/marked:1"}]',
                }
            ],
            "metadata": {},
        },
        {"resources": ["x.yaml"], "metadata": {}},
    ]
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["base", "prod"]
    for folder, words in (("absent", "no folder `absent`"), ("..", "outside the workspace"), (".", "outside")):
        with pytest.raises(Refused, match=words):
            render(tmp_path / "work", "prod", tool, marked=folder)


def test_a_rendering_that_fails_is_evidence(tmp_path: Path) -> None:
    (tmp_path / "work/prod").mkdir(parents=True)
    tool = kubectl(tmp_path, 'echo "error: no matches for Id Deployment" >&2; exit 1')
    with pytest.raises(Refused, match="kubectl kustomize: error: no matches for Id Deployment"):
        render(tmp_path / "work", "prod", tool)
    with pytest.raises(Refused, match="there is no folder `dev`"):
        render(tmp_path / "work", "dev", tool)


@pytest.mark.parametrize("folder", ["..", "../other", "/etc", "prod/../../other"])
def test_nothing_outside_the_workspace_is_rendered(tmp_path: Path, folder: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "other").mkdir()
    with pytest.raises(Refused, match="outside the workspace"):
        render(tmp_path / "work", folder, Path("/bin/true"))


def test_links_out_of_the_workspace_are_refused(tmp_path: Path) -> None:
    (tmp_path / "work/prod").mkdir(parents=True)
    (tmp_path / "work/prod/values.env").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match=r"`prod/values\.env` is a link that leads out"):
        render(tmp_path / "work", "prod", Path("/bin/true"))


def test_a_rendering_without_end_or_tool_is_unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work/prod").mkdir(parents=True)
    monkeypatch.setattr("grader.kustomize.SECONDS", 0.2)
    with pytest.raises(Unanswered, match="did not end"):
        render(tmp_path / "work", "prod", kubectl(tmp_path, "exec /bin/sleep 5"))
    with pytest.raises(Unanswered, match="cannot be run"):
        render(tmp_path / "work", "prod", tmp_path / "absent")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unanswered, match="not installed"):
        render(tmp_path / "work", "prod")
