"""A real cluster behind a kubeconfig, as the grader asks it.

The only part of the grader that needs the Kubernetes client.

Made by `labs.attempts` for one grading or one session. Reading and asking only: nothing is changed but by `act`, which
a `triggered` check asks for, and by the client pods that requests from inside need; `close` removes those again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from grader import acts, git, outage, registry
from grader.api import Api, Reply, discovery
from grader.cluster import (
    Acted,
    ExecAnswer,
    ExecRequest,
    HttpAnswer,
    HttpRequest,
    ImageFacts,
    LoadAnswer,
    LoadRequest,
    LogRequest,
    Machines,
    Repository,
)
from grader.errors import ExpressionError, Unanswered
from grader.kustomize import render
from grader.model import Access, Action, Json, Objects
from grader.pod_exec import exec_in_pod
from grader.prober import Prober

PAGE = 500
MOST_LOG = 1024 * 1024
MOST_OBJECTS = 20_000


class LiveCluster:
    """Asks an API server.

    Args:
        kubeconfig: File whose current context is used.
        workspace: The learner's folder, for `render`.
        kubectl: Program for `render`, or what finds it when it is needed; default: the one on PATH.
        registry: `host:port` under which this machine reaches the lab's registry; empty where it does not.
        private: The same of the registry that asks for a password, and `user:password` for it.
        machines: Switches nodes off and on, breaks GPUs and mends them, for `triggered` checks; None where nobody can.

    Raises:
        Unanswered: The kubeconfig cannot be used.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        workspace: Path | None = None,
        kubectl: Path | Callable[[], Path] | None = None,
        registry: str = "",
        private: tuple[str, str] = ("", ""),
        machines: Machines | None = None,
    ) -> None:
        self._api = Api(kubeconfig)
        self._prober = Prober(self._api)
        self._workspace = workspace
        self._kubectl = kubectl
        self._machines = machines
        self._registries = {"registry.lab": (registry, ""), "private.registry.lab": private}

    def read(self, what: Objects) -> list[Json]:
        """Return the raw objects, each with its `kind` and `apiVersion`; none when the kind is not served."""
        resource = discovery(self._api).find(self._api, what.kind, what.api_version)
        if resource is None:
            return []
        query = {"limit": str(PAGE)}
        if what.selector:
            query["labelSelector"] = what.selector
        if what.name:
            query["fieldSelector"] = f"metadata.name={what.name}"
        namespace = quote(what.namespace, safe="") if what.namespace else None
        items = self._pages(resource.path(namespace), query, what)
        return [{"apiVersion": resource.api_version, "kind": what.kind, **item} for item in items]

    def _pages(self, path: str, query: dict[str, str], what: Objects) -> list[Json]:
        items: list[Json] = []
        first = query
        while len(items) < MOST_OBJECTS:
            reply = self._api.request("GET", path, query=query)
            if reply.status == HTTPStatus.NOT_FOUND:
                return []
            if reply.status == HTTPStatus.GONE and first and query is not first:
                items, query, first = [], first, {}  # the pages are too old to go on: once more from the beginning
                continue
            if reply.status == HTTPStatus.BAD_REQUEST:
                raise ExpressionError(f"cannot list {what.kind}: {reply.message}", hint="look at the check's selector")
            _granted(reply, f"list {what.kind}")
            items += reply.body.get("items") or []
            token = (reply.body.get("metadata") or {}).get("continue")
            if not token:
                return items
            query = {**query, "continue": token}
        raise Unanswered(f"there are more than {MOST_OBJECTS} {what.kind} objects")

    def allowed(self, question: Access) -> tuple[bool, str]:
        """Ask for a SubjectAccessReview."""
        resource, _, subresource = question.resource.partition("/")
        attributes = {
            "verb": question.verb,
            "group": question.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": question.namespace,
            "name": question.name,
        }
        user, groups = _subject(question)
        spec = {"user": user, "groups": groups, "resourceAttributes": {k: v for k, v in attributes.items() if v}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        reply = self._api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review)
        _granted(reply, "review an access")
        status = reply.body.get("status") or {}
        return bool(status.get("allowed")), str(status.get("reason") or status.get("evaluationError") or "")

    def http(self, request: HttpRequest) -> list[HttpAnswer]:
        """Send the request from inside the cluster."""
        return self._prober.send(request)

    def load(self, request: LoadRequest) -> LoadAnswer:
        """Send requests at a steady rate from inside the cluster."""
        return self._prober.load(request)

    def logs(self, request: LogRequest) -> str | None:
        """Return the end of a log; None for a container that has none."""
        query = {"container": request.container, "tailLines": str(request.tail), "limitBytes": str(MOST_LOG)}
        query |= {"previous": "true"} if request.previous else {}
        query |= {"sinceSeconds": str(request.since)} if request.since else {}
        status, text = self._api.text(f"{_pod(request.namespace, request.pod)}/log", query=query)
        # 400: the container waits to start, or has no previous run.
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
            return None
        if status >= HTTPStatus.BAD_REQUEST:
            raise Unanswered(f"the API server refuses to read the log of {request.pod}: {text[:200]}")
        return text

    def run(self, request: ExecRequest) -> ExecAnswer:
        """Run a command in a container."""
        path = _pod(request.namespace, request.pod)
        return exec_in_pod(self._api, path, request.container, list(request.command), request.timeout)

    def admit(self, manifest: Json) -> tuple[bool, str]:
        """Ask for a create that is not stored."""
        version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        resource = discovery(self._api).find(self._api, kind, version)
        if resource is None:
            return False, f"the cluster does not serve {version} {kind}"
        namespace = quote(str(manifest["metadata"].get("namespace") or "default"), safe="")
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        reply = self._api.request("POST", resource.path(namespace), query=query, body=manifest)
        if reply.status == HTTPStatus.FORBIDDEN and "cannot create resource" in reply.message:
            raise Unanswered(f"the grader may not try this: {reply.message}")
        # A name that is taken is told by the storage, after everything that admits or refuses has agreed.
        return reply.ok or reply.status == HTTPStatus.CONFLICT, "" if reply.ok else reply.message

    def image(self, reference: str) -> ImageFacts | None:
        """Ask the one of the lab's registries that the reference names."""
        address, login = self._registries.get(reference.partition("/")[0], ("", ""))
        if not address:
            raise Unanswered(f"no registry can be asked about {reference} from here")
        return registry.read(address, reference, login)

    def act(self, action: Action, namespace: str) -> Acted:
        """Do something to the cluster."""
        of = action.of if action.of.namespace or action.kind == "drain" else None
        of = of or action.of.model_copy(update={"namespace": namespace})
        if action.kind == "kill_node":
            # Whoever watches from inside should be on a node that stays, where there is a choice.
            node = outage.node_of(of, self.read(of), action.kind, last=self._prober.node())
            return outage.kill(self._machines, node, self.read, self._prober.avoid, self._remove)
        if action.kind == "lose_gpu":
            return outage.lose_gpu(self._machines, outage.node_of(of, self.read(of), action.kind), self.read)
        return acts.act(self._api, action, of, self.read(of), lambda: self.read(Objects(kind="Pod")))

    def _remove(self, pod: Json) -> None:
        path = _pod(pod["metadata"]["namespace"], pod["metadata"]["name"])
        reply = self._api.request("DELETE", path, body={"gracePeriodSeconds": 0})
        if reply.status != HTTPStatus.NOT_FOUND:
            _granted(reply, f"delete pod {pod['metadata']['name']}")

    def repository(self, folder: str, file: str, lacks: str) -> Repository:
        """Read a Git repository of the workspace."""
        if self._workspace is None:
            raise Unanswered("this task has no workspace to read from")
        return git.read(self._workspace, folder, file=file, lacks=lacks)

    def render(self, folder: str, marked: str = "") -> list[Json]:
        """Render a kustomization of the workspace; raises `Refused` with kustomize's words."""
        if self._workspace is None:
            raise Unanswered("this task has no workspace to render from")
        kubectl = self._kubectl() if callable(self._kubectl) else self._kubectl
        return render(self._workspace, folder, kubectl, marked=marked)

    def now(self) -> datetime:
        """Return the API server's time."""
        return self._api.now()

    def close(self) -> None:
        """Remove the client pods and close all connections."""
        try:
            self._prober.close()
        finally:
            self._api.close()


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"


def _granted(reply: Reply, what: str) -> None:
    if not reply.ok:
        raise Unanswered(f"the API server refuses to {what}: {reply.message}")


def _subject(question: Access) -> tuple[str, list[str]]:
    """Return user and groups as the API server would see them; a service account is always in its groups."""
    account = question.serviceaccount.replace("/", ":")
    user = question.user or f"system:serviceaccount:{account}"
    groups = [*question.groups, "system:authenticated"]
    if user.startswith("system:serviceaccount:"):
        namespace = user.split(":")[2]
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    return user, groups
