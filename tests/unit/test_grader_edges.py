"""What the real cluster's client asks beyond lists: logs, admission, acts; the registry; a Git repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from grader import acts, git, registry
from grader.cluster import ImageFacts, LogRequest
from grader.errors import ExpressionError, Refused, Unanswered
from grader.live import LiveCluster
from grader.model import Action

NS = "serving"
Answer = tuple[int, Any]


class Server:
    """Answers `METHOD /path` as told and remembers what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                outer.asked.append((f"{self.command} {self.path}", body))
                path = self.path.partition("?")[0]
                status, value = outer.answers.get(f"{self.command} {path}", (404, {"message": "not found"}))
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if "/manifests/" in path:
                    self.send_header("Docker-Content-Digest", "sha256:one")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class wants these names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.http.server_port}"

    def sent(self, method: str) -> list[tuple[str, Any]]:
        return [(question, body) for question, body in self.asked if question.startswith(method)]


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    kinds = {"Pod": "pods", "Node": "nodes", "Deployment": "deployments"}
    served = [
        {
            "resource": plural,
            "responseKind": {"kind": kind},
            "scope": "Cluster" if kind == "Node" else "Namespaced",
            "verbs": ["list"],
        }
        for kind, plural in kinds.items()
    ]
    one.answers["GET /api"] = 200, {"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": served}]}]}
    one.answers["GET /apis"] = 200, {"items": []}
    yield one
    one.http.shutdown()
    one.http.server_close()


@pytest.fixture
def live(server: Server, tmp_path: Path) -> Iterator[LiveCluster]:
    path = tmp_path / "kubeconfig"
    config = {
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://{server.place}"}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    path.write_text(yaml.safe_dump(config))
    with closing(LiveCluster(path, registry=server.place)) as one:
        yield one


# --- logs, admission -------------------------------------------------------------------------------------------------


def test_a_log_is_text_and_one_that_is_not_there_is_none(server: Server, live: LiveCluster) -> None:
    path = f"GET /api/v1/namespaces/{NS}/pods/a-1/log"
    request = LogRequest(NS, "a-1", "c", previous=True, since=60, tail=10)
    server.answers[path] = 200, b'{"level": "info"}\n'
    assert live.logs(request) == '{"level": "info"}\n'
    assert "container=c&tailLines=10&limitBytes=1048576&previous=true&sinceSeconds=60" in server.asked[-1][0]
    server.answers[path] = 400, {"message": "container c is waiting to start"}
    assert live.logs(request) is None
    server.answers[path] = 403, {"message": "forbidden"}
    with pytest.raises(Unanswered, match="refuses to read the log of a-1"):
        live.logs(request)


ADMISSIONS = [
    (201, "", True, ""),
    (409, 'pods "x" already exists', True, 'pods "x" already exists'),
    (403, 'pods "x" is forbidden: exceeded quota: full', False, "exceeded quota"),
    (422, "Pod x is invalid: spec.containers: Required value", False, "Required value"),
]


@pytest.mark.parametrize(("status", "words", "admitted", "said"), ADMISSIONS)
def test_what_is_admitted_and_what_is_refused(  # noqa: PLR0917 - a table and two fixtures
    server: Server, live: LiveCluster, status: int, words: str, admitted: bool, said: str
) -> None:
    server.answers[f"POST /api/v1/namespaces/{NS}/pods"] = status, {"message": words}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": NS}}
    answer = live.admit(manifest)
    assert answer[0] is admitted
    assert said in answer[1]
    assert server.sent("POST") == [(f"POST /api/v1/namespaces/{NS}/pods?dryRun=All&fieldValidation=Strict", manifest)]


def test_an_admission_that_may_not_be_tried_or_is_of_no_kind(server: Server, live: LiveCluster) -> None:
    words = 'pods is forbidden: User "x" cannot create resource "pods"'
    server.answers[f"POST /api/v1/namespaces/{NS}/pods"] = 403, {"message": words}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": NS}}
    with pytest.raises(Unanswered, match="may not try"):
        live.admit(manifest)
    assert live.admit({**manifest, "kind": "Widget"}) == (False, "the cluster does not serve v1 Widget")


# --- acts ------------------------------------------------------------------------------------------------------------


def action(kind: str, of: dict[str, str], **more: Any) -> Action:
    return Action.model_validate({kind: of, **more})


def items(*objects: dict[str, Any]) -> Answer:
    return 200, {"items": list(objects)}


def named(name: str, namespace: str = NS, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace} if namespace else {"name": name}, **fields}


def test_delete_restart_and_scale_with_the_way_back(server: Server, live: LiveCluster) -> None:
    pods, deployments = f"/api/v1/namespaces/{NS}/pods", f"/api/v1/namespaces/{NS}/deployments"
    server.answers[f"GET {pods}"] = items(named("a-1"), named("a-2"))
    server.answers[f"GET {deployments}"] = items(named("web", spec={"replicas": 3}))
    for method in ("PATCH", "DELETE"):
        server.answers[f"{method} {deployments}/web"] = 200, {}
        server.answers[f"{method} {pods}/a-1"] = server.answers[f"{method} {pods}/a-2"] = 200, {}
    assert live.act(action("delete", {"kind": "Pod"}), NS).words == "deleting Pod a-1, a-2"
    assert [question for question, _ in server.sent("DELETE")] == [f"DELETE {pods}/a-1", f"DELETE {pods}/a-2"]
    live.act(action("restart", {"kind": "Deployment", "name": "web"}), NS).undo()
    template = server.sent("PATCH")[0][1]["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    acted = live.act(action("scale", {"kind": "Deployment", "name": "web"}, replicas=0), NS)
    acted.undo()
    assert [body for _, body in server.sent("PATCH")[1:]] == [{"spec": {"replicas": 0}}, {"spec": {"replicas": 3}}]
    server.answers[f"GET {pods}"] = items()
    with pytest.raises(Refused, match=r"there is no Pod app=x in serving to delete"):
        live.act(action("delete", {"kind": "Pod", "selector": "app=x"}), NS)


def test_a_drain_that_a_budget_forbids_is_evidence_and_leaves_no_cordon(server: Server, live: LiveCluster) -> None:
    def on(name: str, node: str, owner: str = "ReplicaSet") -> dict[str, Any]:
        pod = named(name, spec={"nodeName": node})
        pod["metadata"]["ownerReferences"] = [{"kind": owner}]
        return pod

    server.answers["GET /api/v1/nodes"] = items(named("cpu-1", ""))
    server.answers["PATCH /api/v1/nodes/cpu-1"] = 200, {}
    server.answers["GET /api/v1/pods"] = items(on("a-1", "cpu-1"), on("a-2", "cpu-2"), on("d", "cpu-1", "DaemonSet"))
    eviction = f"POST /api/v1/namespaces/{NS}/pods/a-1/eviction"
    server.answers[eviction] = 429, {"message": "Cannot evict pod as it would violate the pod's disruption budget."}
    drain = action("drain", {"kind": "Node", "name": "cpu-1"})
    with pytest.raises(Refused, match=r"Node cpu-1 cannot be drained: Pod serving/a-1: Cannot evict pod"):
        live.act(drain, NS)
    cordon, undone = [body for _, body in server.sent("PATCH")]
    assert cordon == {"metadata": {"annotations": {acts.MARK: ""}}, "spec": {"unschedulable": True}}
    assert undone == {"metadata": {"annotations": {acts.MARK: None}}, "spec": {"unschedulable": None}}
    server.answers[eviction] = 201, {}
    live.act(drain, NS).undo()
    assert [question for question, _ in server.sent("POST")] == [eviction] * 2
    assert [body for _, body in server.sent("PATCH")] == [cordon, undone] * 2


# --- registry --------------------------------------------------------------------------------------------------------

SPDX = {"packages": [{"name": "numpy"}, {"name": "pip"}]}


def image(server: Server, **config: Any) -> None:
    layers = [{"size": 1000}, {"size": 500}]
    manifest = {"config": {"digest": "sha256:c"}, "layers": layers}
    server.answers |= {
        "GET /v2/team/scorer/manifests/1.0.0": (200, manifest),
        "GET /v2/team/scorer/blobs/sha256:c": (200, {"config": config}),
    }


def test_an_image_and_its_sbom(server: Server, live: LiveCluster) -> None:
    image(server, User="65532", Labels={"a": "b"})
    found = live.image("registry.lab/team/scorer:1.0.0")
    assert found == ImageFacts("sha256:one", "65532", 1500, {"a": "b"}, None)
    entry = {"artifactType": "application/spdx+json", "digest": "sha256:s"}
    server.answers |= {
        "GET /v2/team/scorer/referrers/sha256:one": (200, {"manifests": [entry, {"artifactType": "signature"}]}),
        "GET /v2/team/scorer/manifests/sha256:s": (200, {"layers": [{"digest": "sha256:b"}]}),
        "GET /v2/team/scorer/blobs/sha256:b": (200, SPDX),
    }
    found = live.image("registry.lab/team/scorer:1.0.0")
    assert found is not None
    assert found.packages == ("numpy", "pip")
    assert live.image("registry.lab/team/scorer:2.0.0") is None


def test_a_registry_in_trouble_is_unanswered(server: Server, live: LiveCluster) -> None:
    for reference in ("private.registry.lab/x:1", "elsewhere.example/x:1"):
        with pytest.raises(Unanswered, match="no registry can be asked"):
            live.image(reference)
    with pytest.raises(ExpressionError, match="not a reference"):
        live.image("registry.lab/x")
    server.answers["GET /v2/x/manifests/1"] = 500, b"no"
    with pytest.raises(Unanswered, match="answered 500: no"):
        live.image("registry.lab/x:1")
    server.answers["GET /v2/x/manifests/1"] = 200, b"<html>"
    with pytest.raises(Unanswered, match="something else than JSON"):
        live.image("registry.lab/x:1")
    with pytest.raises(Unanswered, match="cannot be reached"):
        registry.read("127.0.0.1:9", "registry.lab/x:1")


# --- git -------------------------------------------------------------------------------------------------------------


def shell(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "repo").mkdir(parents=True)
    shell(work / "repo", "init", "-q", "-b", "main")
    return work


def commit(workspace: Path, message: str, **files: str) -> None:
    for name, text in files.items():
        (workspace / "repo" / name).write_text(text)
    shell(workspace / "repo", "add", "-A")
    shell(workspace / "repo", "commit", "-q", "-m", message)


def test_a_repository_and_what_its_history_holds(workspace: Path) -> None:
    assert git.read(workspace, "repo", file="a", lacks="x").message == ""
    commit(workspace, "Add a", a="password: hunter2\n")
    commit(workspace, "Take it out\n\nBecause.", a="password: from-secret\n")
    (workspace / "repo/b c").write_text("new")
    found = git.read(workspace, "repo", file="a", lacks="hunter2")
    assert (found.branch, found.dirty, found.text) == ("main", ("b c",), "password: from-secret\n")
    assert found.message == "Take it out\n\nBecause."
    (place,) = found.found
    assert place.startswith("a in commit ")
    assert place.endswith(", kept by main")
    assert git.read(workspace, "repo", file="main:a").text == found.text
    clean = git.read(workspace, "repo", file="absent", lacks="never-there")
    assert (clean.text, clean.found) == (None, ())
    (workspace / "repo/a").write_text("hunter3")
    assert git.read(workspace, "repo", lacks="hunter3").found == ("a file that is not committed",)


def test_a_text_is_found_wherever_history_keeps_it(workspace: Path) -> None:
    repo = workspace / "repo"
    commit(workspace, "Add a", a="x\n")
    shell(repo, "branch", "clean")
    commit(workspace, "Say hunter2 in a message", a="y\n")
    shell(repo, "tag", "-a", "-m", "with hunter2", "v1")
    (repo / "a").write_text("hunter2")
    shell(repo, "stash")
    places = " | ".join(git.read(workspace, "repo", lacks="hunter2").found)
    for words in ("the message in commit", "kept by main, stash, v1", "the message of the tag v1", "a in commit"):
        assert words in places
    for words in (("checkout", "-q", "clean"), ("branch", "-D", "main"), ("tag", "-d", "v1"), ("stash", "drop")):
        shell(repo, *words)
    forgotten = git.read(workspace, "repo", lacks="hunter2")
    assert forgotten.found == ()
    assert len(forgotten.left) >= 3
    shell(repo, "reflog", "expire", "--expire=now", "--all")
    shell(repo, "gc", "-q", "--prune=now")
    assert git.read(workspace, "repo", lacks="hunter2").left == ()


def test_a_repository_that_has_lost_objects_is_no_clean_one(workspace: Path) -> None:
    repo = workspace / "repo"
    commit(workspace, "Add a", a="hunter2")
    blob = subprocess.run(["git", "-C", str(repo), "rev-parse", "HEAD:a"], capture_output=True, text=True, check=True)
    commit(workspace, "Take it out", a="x\n")
    oid = blob.stdout.strip()
    (repo / ".git/objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(Refused, match="git fsck"):
        git.read(workspace, "repo", lacks="hunter2")


def test_nothing_that_a_repository_configures_is_run(workspace: Path) -> None:
    commit(workspace, "Add a", a="x\n")
    trap = workspace / "trap"
    script = workspace / "run-me"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    (workspace / "repo/.gitattributes").write_text("* diff=mine\n")
    for key in ("core.fsmonitor", "diff.external", "diff.mine.textconv", "diff.mine.command", "core.pager"):
        shell(workspace / "repo", "config", key, str(script))
    (workspace / "repo/a").write_text("y\n")
    git.read(workspace, "repo", file="a", lacks="x")
    assert not trap.exists()


def test_repositories_that_are_none(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, words in (("..", "outside the workspace"), ("absent", "no Git repository in `absent`")):
        with pytest.raises(Refused, match=words):
            git.read(workspace, folder)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unanswered, match="git is not installed"):
        git.read(workspace, "repo")
