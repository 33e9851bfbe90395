"""Requests from inside the cluster: runs the lab's prober by `exec`, in `lab-system` or in a client pod of its own.

Used by `grader.live` only. What the prober understands is told in `cluster-config/images/tools/prober.py`.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any
from urllib.parse import quote

from grader.api import Api
from grader.cluster import HttpAnswer, HttpRequest, LoadAnswer, LoadRequest
from grader.errors import Unanswered
from grader.model import From, Json
from grader.pod_exec import run_in_pod
from grader.pods import is_ready
from grader.snapshot import CLIENT_PREFIX, PROBER_LABEL
from grader.text import clean

NAMESPACE = "lab-system"
SELECTOR = "app=lab-prober"
PROGRAM = ("python3", "-I", "-S", "/usr/local/bin/prober.py")
KNOWN_SECONDS = 5.0
"""How long the ready prober pod that was found is taken for granted."""

READY_SECONDS = 20.0
"""Deadline for a client pod to run."""

SPARE_SECONDS = 8.0
"""What an exec may take beyond the requests themselves."""

# A container's share of a busy node follows what it asks for. With 5m, starting the program took over ten seconds while
# four tasks were graded on two cores. Where a quota or a limit range counts, the learner's pods need it more.
_AMPLE: Json = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
_LEAN: Json = {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}}

_RESOLVER = [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}, {"name": "single-request"}]
"""How a client pod asks for names; `cluster-config/addons/40-prober.yaml.j2` has the same and says why."""


@dataclass(frozen=True, slots=True)
class _Pod:
    namespace: str
    name: str
    container: str
    image: str
    node: str


@dataclass(slots=True)
class _Client:
    """A client pod that is there, or is being made by the thread that holds the lock."""

    lock: Lock = field(default_factory=Lock)
    pod: _Pod | None = None


class Prober:
    """Sends requests from inside one cluster.

    Args:
        api: Its API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = Lock()
        self._found: tuple[float, _Pod] | None = None
        self._avoided: frozenset[str] = frozenset()
        self._clients: dict[tuple[str, tuple[tuple[str, str], ...]], _Client] = {}

    def send(self, request: HttpRequest) -> list[HttpAnswer]:
        """Send a request `count` times and return every answer.

        Those that only a slow name server kept from being sent, where it answered others, go out once more.

        Raises:
            Unanswered: There is no pod to send it from, or it could not be run there.
        """
        answers = self._send(request, request.count)
        sent = [answer for answer in answers if not _is_late(answer)]
        if not sent or len(sent) == len(answers):
            return answers
        return sent + self._send(request, len(answers) - len(sent))

    def _send(self, request: HttpRequest, count: int) -> list[HttpAnswer]:
        question = {**_question(request), "count": count}
        return _answers(self._ask(request.client, "http", question, request.timeout * count))

    def load(self, request: LoadRequest) -> LoadAnswer:
        """Send requests at a steady rate; raises as `send` does."""
        question = {**_question(request), "rate": request.rate, "seconds": request.seconds}
        return _load_answer(self._ask(request.client, "load", question, request.seconds + request.timeout))

    def node(self) -> str:
        """Return the node that requests are sent from; raises as `send` does."""
        return self._system().node

    def avoid(self, *nodes: str) -> None:
        """Send from no pod on these nodes until told otherwise: a pod on a dead one looks ready for a while."""
        with self._lock:
            self._avoided, self._found = frozenset(nodes), None

    def _ask(self, client: From | None, command: str, question: Json, seconds: float) -> str:
        words = [*PROGRAM, command, json.dumps(question)]
        pod = self._source(client)  # one that was refused is not asked for again
        try:
            return run_in_pod(self._api, _path(pod), pod.container, words, seconds + SPARE_SECONDS)
        except Unanswered:
            self._found = None  # the pod may just have been replaced: once more, with whatever pod there is now
            pod = self._source(client)
            return run_in_pod(self._api, _path(pod), pod.container, words, seconds + SPARE_SECONDS)

    def _source(self, client: From | None) -> _Pod:
        return self._client(client) if client else self._system()

    def _system(self) -> _Pod:
        with self._lock:
            if self._found and time.monotonic() - self._found[0] < KNOWN_SECONDS:
                return self._found[1]
            path = f"/api/v1/namespaces/{NAMESPACE}/pods"
            reply = self._api.request("GET", path, query={"labelSelector": SELECTOR})
            for pod in reply.body.get("items") or []:
                if _is_ready(pod) and pod["spec"].get("nodeName") not in self._avoided:
                    self._found = (time.monotonic(), _pod(pod))
                    return self._found[1]
        raise Unanswered(
            f"no prober pod is ready in {NAMESPACE}, so nothing can be sent from inside", hint="run `labs up`"
        )

    def _client(self, source: From) -> _Pod:
        key = (source.namespace, tuple(sorted(source.labels.items())))
        with self._lock:
            client = self._clients.setdefault(key, _Client())
        with client.lock:
            if client.pod is None or client.pod.node in self._avoided or not self._runs(client.pod):
                client.pod = self._make(source)
            return client.pod

    def _runs(self, pod: _Pod) -> bool:
        reply = self._api.request("GET", _path(pod))
        return reply.ok and not reply.body["metadata"].get("deletionTimestamp") and _is_running(reply.body)

    def _make(self, source: From) -> _Pod:
        model = self._system()
        pod = _Pod(source.namespace, f"{CLIENT_PREFIX}{secrets.token_hex(4)}", "prober", model.image, model.node)
        path = f"/api/v1/namespaces/{quote(source.namespace, safe='')}/pods"
        share = _LEAN if self._is_counted(pod.namespace) else _AMPLE
        reply = self._api.request("POST", path, body=_manifest(pod, source.labels, share))
        if not reply.ok and reply.status != HTTPStatus.CONFLICT:  # a retry of a create that did arrive
            raise Unanswered(f"no client pod can be made in {source.namespace}: {reply.message}")
        try:
            self._wait(pod)
        except Unanswered:
            self._remove(pod)
            raise
        return pod

    def _is_counted(self, namespace: str) -> bool:
        """Return whether what pods ask for is counted or bounded in a namespace; unknown counts as yes."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
        replies = [self._api.request("GET", f"{path}/{kind}") for kind in ("resourcequotas", "limitranges")]
        return not all(reply.ok and not reply.body.get("items") for reply in replies)

    def _wait(self, pod: _Pod) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            reply = self._api.request("GET", _path(pod))
            if not reply.ok:
                raise Unanswered(f"the client pod in {pod.namespace} was removed while it started: {reply.message}")
            if _is_running(reply.body):
                return
            if time.monotonic() > deadline:
                raise Unanswered(
                    f"the client pod in {pod.namespace} does not run after {READY_SECONDS:.0f} s: {_waits(reply.body)}"
                )
            time.sleep(0.1)

    def _remove(self, pod: _Pod) -> None:
        self._api.request("DELETE", _path(pod), body={"gracePeriodSeconds": 0, "propagationPolicy": "Background"})

    def close(self) -> None:
        """Remove every client pod; those that cannot be removed now end by their own deadline."""
        for client in self._clients.values():
            if client.pod is not None:
                try:
                    self._remove(client.pod)
                except Unanswered:
                    continue
        self._clients.clear()


def _path(pod: _Pod) -> str:
    return f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/pods/{pod.name}"


def _pod(raw: Json) -> _Pod:
    container = raw["spec"]["containers"][0]
    meta = raw["metadata"]
    return _Pod(meta["namespace"], meta["name"], container["name"], container["image"], raw["spec"].get("nodeName", ""))


def _is_ready(raw: Json) -> bool:
    return is_ready(raw) and not raw["metadata"].get("deletionTimestamp")


def _is_running(raw: Json) -> bool:
    statuses = (raw.get("status") or {}).get("containerStatuses") or []
    return bool(statuses) and all("running" in (status.get("state") or {}) for status in statuses)


def _waits(raw: Json) -> str:
    status = raw.get("status") or {}
    reasons = [(c.get("state") or {}).get("waiting") or {} for c in status.get("containerStatuses") or []]
    reasons += [c for c in status.get("conditions") or [] if c.get("status") == "False"]
    told = [f"{r.get('reason')}{': ' + r['message'] if r.get('message') else ''}" for r in reasons if r.get("reason")]
    return clean(told[0] if told else str(status.get("reason") or status.get("phase") or "unknown"))


def _manifest(pod: _Pod, labels: dict[str, str], share: Json) -> Json:
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": pod.container,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["serve"],
        "resources": share,
        "securityContext": restricted,
    }
    spec: dict[str, Any] = {
        # Beside a prober pod, where its image lies already; no scheduler that the task may have broken is needed.
        "nodeName": pod.node,
        "containers": [container],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsConfig": {"options": _RESOLVER},
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        # A grader that was killed leaves no pod running for ever.
        "activeDeadlineSeconds": 900,
        # Nobody ever sets this gate: with the labels of a client it must not become an endpoint of a Service that picks
        # them.
        "readinessGates": [{"conditionType": "labs.io/never-ready"}],
        "tolerations": [{"operator": "Exists"}],
    }
    meta = {"name": pod.name, "namespace": pod.namespace, "labels": {**labels, PROBER_LABEL: "true"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _question(request: HttpRequest | LoadRequest) -> Json:
    headers = dict(request.headers)
    body = ""
    if request.body is not None:
        body = json.dumps(request.body)
        if not any(key.lower() == "content-type" for key in headers):
            headers["Content-Type"] = "application/json"
    return {
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": body,
        "timeout": request.timeout,
    }


def _answers(output: str) -> list[HttpAnswer]:
    try:
        first = json.loads(output.strip().splitlines()[-1])
        results = first.get("results") or [first]
        return [_answer(result) for result in results]
    except (IndexError, ValueError, TypeError, AttributeError):
        raise Unanswered(f"the prober answered something else than JSON: {clean(output, 160)}") from None


def _load_answer(output: str) -> LoadAnswer:
    try:
        said = json.loads(output.strip().splitlines()[-1])
        return LoadAnswer(
            sent=int(said["sent"]),
            statuses={int(status): int(count) for status, count in said["statuses"].items()},
            errors={str(error): int(count) for error, count in said["errors"].items()},
            p50=float(said["p50"]),
            p95=float(said["p95"]),
            p99=float(said["p99"]),
            behind=float(said["behind"]),
            sample=str(said["sample"]),
        )
    except (IndexError, ValueError, TypeError, KeyError, AttributeError):
        raise Unanswered(f"the prober answered something else than figures: {clean(output, 160)}") from None


def _is_late(answer: HttpAnswer) -> bool:
    return answer.error == "dns" and "not resolved in time" in answer.message


def _answer(result: Json) -> HttpAnswer:
    return HttpAnswer(
        status=int(result.get("status") or 0),
        body=str(result.get("body") or ""),
        headers={str(key).lower(): str(value) for key, value in (result.get("headers") or {}).items()},
        error=str(result.get("error") or ""),
        message=str(result.get("detail") or ""),
        ms=float(result.get("ms") or 0.0),
    )
