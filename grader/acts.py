"""The few things a `triggered` check does to a cluster: delete, restart, scale, drain; what can be undone is.

Used by `grader.live`. Each says what it did, in words that stand after "after".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote

from grader.api import Api, Reply, discovery
from grader.cluster import Acted
from grader.errors import ExpressionError, Refused, Unanswered
from grader.model import Action, Json, Objects
from grader.pods import has_ended
from grader.text import named, title

_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_OWN = frozenset({"DaemonSet", "Node"})
"""Owners whose pods a drain leaves alone, as kubectl does."""

MARK = "labs.io/cordoned-for"
"""Annotation of a node that a drain has cordoned, with the namespace it is for (empty: all). What a grader that was
killed has left can so be told from what people do: the next drain, a reset and a stop take it back."""

UNMARKED: Json = {"metadata": {"annotations": {MARK: None}}, "spec": {"unschedulable": None}}
"""The JSON merge patch that takes a cordon with its mark back."""

PATIENCE = 30.0
"""Seconds in which a drain must get through, from pod to pod."""

AGAIN = 0.5
"""Seconds between two tries to evict what a budget holds back."""


def act(api: Api, action: Action, of: Objects, objects: list[Json], pods: Callable[[], list[Json]]) -> Acted:
    """Do it.

    Args:
        api: The API server.
        action: What.
        of: To what, with the namespace it is in.
        objects: The same, read.
        pods: Reads all pods, for a drain.

    Raises:
        Refused: There is nothing to do it to, or the cluster does not let it happen; the message is evidence.
        Unanswered: The API server could not be asked.
    """
    if not objects:
        place = f" in {of.namespace}" if of.namespace else ""
        raise Refused(
            f"there is no {of.kind} {of.name or of.selector or ''}{place} to {action.kind}".replace("  ", " ")
        )
    words = f"{of.kind} {named(objects)}"
    if action.kind == "delete":
        for obj in objects:
            _answered(api.request("DELETE", _path(api, of, obj)), f"delete {title(obj)}")
        return Acted(f"deleting {words}")
    if action.kind == "restart":
        stamp = {"annotations": {_RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}}
        for obj in objects:
            _patch(api, of, obj, {"spec": {"template": {"metadata": stamp}}})
        return Acted(f"restarting {words}")
    if action.kind == "scale":
        return _scale(api, of, objects, action.replicas)
    return _drain(api, of, objects, pods())


def _scale(api: Api, of: Objects, objects: list[Json], replicas: int) -> Acted:
    before = {_path(api, of, obj): (obj.get("spec") or {}).get("replicas", 1) for obj in objects}
    for obj in objects:
        _patch(api, of, obj, {"spec": {"replicas": replicas}})

    def undo() -> None:
        for path, count in before.items():
            _answered(api.request("PATCH", path, body={"spec": {"replicas": count}}), f"scale {path} back")

    return Acted(f"scaling {of.kind} {named(objects)} to {replicas}", undo)


def _drain(api: Api, of: Objects, objects: list[Json], pods: list[Json]) -> Acted:
    """Drain nodes; given Pods, the node of the first one that has a node, of their namespace only.

    A learner's cluster may hold other tasks, whose pods nobody makes again: they stay where they are.
    """
    nodes = objects if of.kind == "Node" else [_node_of(api, of, objects)]
    names = {node["metadata"]["name"] for node in nodes}
    space = "" if of.kind == "Node" else objects[0]["metadata"].get("namespace", "")
    ours = [node for node in nodes if not (node.get("spec") or {}).get("unschedulable") or MARK in _marks(node)]
    place = Objects(kind="Node")
    for node in ours:
        _patch(api, place, node, {"metadata": {"annotations": {MARK: space}}, "spec": {"unschedulable": True}})

    def undo() -> None:
        for node in ours:
            _patch(api, place, node, UNMARKED)

    chosen = [pod for pod in pods if _is_drained(pod, names) and space in {"", pod["metadata"].get("namespace", "")}]
    try:
        refused = _evict_all(api, chosen)
    except Unanswered:
        undo()
        raise
    if refused:
        undo()
        raise Refused(f"Node {named(nodes)} cannot be drained: {'; '.join(refused[:3])}")
    return Acted(f"draining Node {named(nodes)}", undo)


def _marks(node: Json) -> Json:
    return node["metadata"].get("annotations") or {}


def _node_of(api: Api, of: Objects, pods: list[Json]) -> Json:
    ending = [pod for pod in pods if pod["metadata"].get("deletionTimestamp")]
    placed = [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") and pod not in ending]
    if not placed:
        raise Refused(f"{of.kind} {named(pods)} is on no node that could be drained")
    name = placed[0]["spec"]["nodeName"]
    reply = api.request("GET", f"/api/v1/nodes/{quote(name, safe='')}")
    if not reply.ok:
        raise Refused(f"Node {name} is gone: {reply.message}")
    node: Json = reply.body
    return node


def _evict_all(api: Api, pods: list[Json]) -> list[str]:
    """Evict pods, as `kubectl drain` does; return why some stay.

    What a budget refuses is tried again while an eviction of before may still make room: its pod's successor is on the
    way. Where none went through, nothing is on the way.
    """
    deadline = time.monotonic() + PATIENCE
    left, moved = pods, False
    while True:
        said = [(pod, _evict(api, pod)) for pod in left]
        moved |= any(not words for _, words in said)
        left = [pod for pod, words in said if words]
        if not left or not moved or time.monotonic() >= deadline:
            return [words for _, words in said if words]
        time.sleep(AGAIN)


def _is_drained(pod: Json, nodes: set[str]) -> bool:
    owners = {owner.get("kind") for owner in pod["metadata"].get("ownerReferences") or []}
    return (pod.get("spec") or {}).get("nodeName") in nodes and not owners & _OWN and not has_ended(pod)


def _evict(api: Api, pod: Json) -> str:
    """Evict a pod; return why that is refused, or nothing."""
    meta = pod["metadata"]
    name, space = meta["name"], meta["namespace"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space}}
    path = f"/api/v1/namespaces/{quote(space, safe='')}/pods/{name}/eviction"
    reply = api.request("POST", path, body=body, busy_is_an_answer=True)
    if reply.ok or reply.status == HTTPStatus.NOT_FOUND:
        return ""
    return f"{title(pod)}: {reply.message}"


def _path(api: Api, of: Objects, obj: Json) -> str:
    resource = discovery(api).find(api, of.kind, of.api_version)
    if resource is None:
        raise ExpressionError(f"the cluster does not serve {of.kind}")
    meta = obj["metadata"]
    return f"{resource.path(quote(meta.get('namespace', ''), safe='') or None)}/{quote(meta['name'], safe='')}"


def _patch(api: Api, of: Objects, obj: Json, patch: Json) -> None:
    _answered(api.request("PATCH", _path(api, of, obj), body=patch), f"change {title(obj)}")


def _answered(reply: Reply, what: str) -> None:
    if not reply.ok and reply.status != HTTPStatus.NOT_FOUND:
        raise Refused(f"the API server refuses to {what}: {reply.message}")
