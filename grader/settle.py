"""Whether what a look saw is still in motion: a settled failure is told at once, a rollout is waited for.

Pure functions over a `Snapshot`, used by `grader.runner`. They read the objects' own times against the API server's
clock. An approximation on purpose, in the safe direction: what may still change is waited for, never longer than the
runner's `settle` seconds. Deletions leave no time behind and are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from grader.model import Json, Objects
from grader.snapshot import Snapshot
from grader.text import title

QUIET = 6.0
"""Seconds without a change after which an object counts as settled."""

CREATING = 15.0
"""Seconds a container may be in creation before that counts as a state (without its volume it stays so for ever)."""

JOB = 60.0
"""Seconds a running Job is waited for; a server that was started as a Job never ends."""

_KINDS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Service", "EndpointSlice", "NetworkPolicy")
_WORKLOADS = frozenset({"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_STUCK = frozenset(
    {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"}
    | {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)


def questions(namespaces: Iterable[str]) -> list[Objects]:
    """Return the lists that tell whether the namespaces are settled."""
    return [Objects(kind=kind, namespace=namespace) for namespace in namespaces for kind in _KINDS]


def rolling(snapshot: Snapshot, namespaces: Sequence[str]) -> str:
    """Return what to wait for before a pass counts: a Deployment whose newest spec no controller has seen, or nothing.

    Until then the pods that answer may all be old ones.
    """
    for obj in snapshot.seen():
        meta = obj["metadata"]
        if obj.get("kind") == "Deployment" and meta.get("namespace") in namespaces and _lags(obj):
            return f"the controller to take up {title(obj)}"
    return ""


def motion(snapshot: Snapshot, namespaces: Sequence[str], now: datetime) -> str:
    """Return what is in motion, to stand after "waiting for", or nothing when all is settled.

    Args:
        snapshot: A look that has read `questions(namespaces)`.
        namespaces: The scenario's; objects in others do not count.
        now: The API server's time.
    """
    for obj in snapshot.seen():
        if obj["metadata"].get("namespace", "") not in {"", *namespaces}:
            continue
        moves = _pod(obj, now) if obj.get("kind") == "Pod" else _other(obj, now)
        if moves:
            return moves
    return ""


def _lags(obj: Json) -> bool:
    return int(obj["metadata"].get("generation") or 0) > int((obj.get("status") or {}).get("observedGeneration") or 0)


def _other(obj: Json, now: datetime) -> str:
    kind = obj.get("kind")
    if kind in {"Deployment", "StatefulSet", "DaemonSet"} and _lags(obj):
        return f"the controller to take up {title(obj)}"
    if _age(_changes(obj, status=kind in _WORKLOADS), now) < QUIET:
        return f"the rollout of {title(obj)}" if kind in _WORKLOADS else f"the change of {title(obj)} to take effect"
    return ""


def _pod(pod: Json, now: datetime) -> str:
    ends = _time(pod["metadata"].get("deletionTimestamp"))
    if ends is not None:
        return f"{title(pod)} to end" if now - ends < timedelta(seconds=QUIET) else ""
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    waits = {((c.get("state") or {}).get("waiting") or {}).get("reason") for c in containers}
    if waits & _STUCK:
        return ""
    age = _age(_pod_times(pod, containers), now)
    if age < QUIET or (status.get("phase") == "Pending" and waits - {None} and age < CREATING):
        return f"{title(pod)} to settle"
    if any(_starting(pod, container, now) for container in containers):
        return f"{title(pod)} to become ready"
    owners = {owner.get("kind") for owner in pod["metadata"].get("ownerReferences") or []}
    return f"{title(pod)} to finish" if "Job" in owners and status.get("phase") == "Running" and age < JOB else ""


def _pod_times(pod: Json, containers: Iterable[Json]) -> Iterator[datetime]:
    yield from _changes(pod, status=True)
    for container in containers:
        state = container.get("state") or {}
        yield from _times(
            (state.get("running") or {}).get("startedAt"), (state.get("terminated") or {}).get("finishedAt")
        )
        yield from _times(((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))


def _starting(pod: Json, status: Json, now: datetime) -> bool:
    """Return whether a container runs but its probes have not had the time yet to find it ready."""
    started = _time(((status.get("state") or {}).get("running") or {}).get("startedAt"))
    if started is None or status.get("ready"):
        return False
    specs = (pod.get("spec") or {}).get("containers") or []
    spec: Json = next((c for c in specs if c.get("name") == status.get("name")), {})
    startup, readiness = spec.get("startupProbe") or {}, spec.get("readinessProbe") or {}
    patience = readiness.get("initialDelaySeconds", 0) + (readiness.get("periodSeconds", 10) if readiness else 0)
    if startup:
        patience += startup.get("initialDelaySeconds", 0)
        patience += startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
    return bool(_age([started], now) < patience + 1)


def _changes(obj: Json, *, status: bool) -> Iterator[datetime]:
    """Yield when an object was made and changed; of its status only for workloads (a node's heartbeat is no change)."""
    meta = obj["metadata"]
    yield from _times(meta.get("creationTimestamp"))
    for entry in meta.get("managedFields") or []:
        if status or entry.get("subresource") != "status":
            yield from _times(entry.get("time"))
    if status:
        for condition in (obj.get("status") or {}).get("conditions") or []:
            yield from _times(condition.get("lastTransitionTime"), condition.get("lastUpdateTime"))


def _age(times: Iterable[datetime], now: datetime) -> float:
    newest = max(times, default=None)
    return max((now - newest).total_seconds(), 0.0) if newest else float("inf")


def _times(*texts: object) -> Iterator[datetime]:
    yield from (time for time in map(_time, texts) if time is not None)


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time
