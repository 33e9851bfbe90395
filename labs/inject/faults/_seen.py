"""How the symptom of a fault is seen in the objects of a task: the parts that modules declare as `SEEN`. Pure.

`labs.inject.symptoms` reads the objects and asks. A fault without a `SEEN` is seen in its object alone, at once, or
only by using the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grader.model import Json

World = dict[str, list[Json]]
"""Kind → raw objects in the task's namespaces."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A way to see a symptom.

    Attributes:
        kinds: Kinds of the objects it is seen in.
        test: Says, of these objects and the fault's parameters, whether the symptom is there.
    """

    kinds: tuple[str, ...]
    test: Callable[[World, Any], bool]

    def __or__(self, other: Seen) -> Seen:
        """Return one that sees either symptom."""
        kinds = tuple(dict.fromkeys((*self.kinds, *other.kinds)))
        return Seen(kinds, lambda world, params: self.test(world, params) or other.test(world, params))


def waiting(*reasons: str) -> Seen:
    """See a container of the workload that waits for, or ended with, one of the reasons (`ErrImagePull`)."""
    return _pods(lambda pod: any(_reasons(s) & set(reasons) for s in _statuses(pod)))


def crashing() -> Seen:
    """See a container of the workload that has ended with an error or was started again."""
    return _pods(lambda pod: any(s.get("restartCount") or _ended(s) for s in _statuses(pod)))


def unready() -> Seen:
    """See a pod of the workload whose containers run and are not ready."""
    return _pods(lambda pod: any("running" in s.get("state", {}) and not s.get("ready") for s in _statuses(pod)))


def initialising() -> Seen:
    """See a pod of the workload whose init container runs."""
    return _pods(
        lambda pod: any("running" in s.get("state", {}) for s in pod["status"].get("initContainerStatuses") or [])
    )


def unscheduled(*words: str, reason: str = "Unschedulable") -> Seen:
    """See a pod of the workload that is on no node, for a reason whose message has one of the words."""
    return _pods(lambda pod: any(_unscheduled(c, words, reason) for c in pod["status"].get("conditions") or []))


def ignored() -> Seen:
    """See a pod of the workload that no scheduler has looked at."""
    return _pods(lambda pod: not pod["spec"].get("nodeName") and not pod["status"].get("conditions"))


def event(reason: str, *words: str) -> Seen:
    """See an event whose message has one of the words."""

    def test(world: World, _params: Any) -> bool:
        return any(e.get("reason") == reason and _has(e.get("message"), words) for e in world["Event"])

    return Seen(("Event",), test)


def no_endpoints() -> Seen:
    """See that the parameter `service` has no ready endpoint."""
    return _slices(lambda found: not any(_ready(s) for s in found))


def no_ports() -> Seen:
    """See that the parameter `service` has endpoints without a port."""
    return _slices(lambda found: any(s.get("endpoints") and not s.get("ports") for s in found))


def condition(kind: str, name: str, type_: str, *reasons: str, status: str = "False") -> Seen:
    """See a condition of the object that the parameter called `name` names; the reason is one of these."""

    def test(world: World, params: Any) -> bool:
        return any(
            c["type"] == type_ and c["status"] == status and c.get("reason", "") in reasons
            for obj in _named(world[kind], getattr(params, name))
            for c in (obj.get("status") or {}).get("conditions") or []
        )

    return Seen((kind,), test)


def field(kind: str, name: str, test: Callable[[Json], bool]) -> Seen:
    """See something in the status of the object that the parameter called `name` names."""

    def seen(world: World, params: Any) -> bool:
        return any(test(o.get("status") or {}) for o in _named(world[kind], getattr(params, name)))

    return Seen((kind,), seen)


def _named(objects: list[Json], name: str) -> Iterator[Json]:
    return (o for o in objects if o["metadata"]["name"] == name)


def _pods(test: Callable[[Json], bool]) -> Seen:
    return Seen(("Pod",), lambda world, params: any(test(pod) for pod in world["Pod"] if _of(pod, params)))


def _of(pod: Json, params: Any) -> bool:
    """Whether a pod is the workload's that the parameters name; one with no workload in them takes every pod."""
    owners = pod["metadata"].get("ownerReferences") or [{"kind": "Pod", "name": pod["metadata"]["name"]}]
    namespace = getattr(params, "namespace", "")
    if namespace and pod["metadata"].get("namespace") != namespace:
        return False
    for kind in ("deployment", "statefulset", "job", "pod"):
        wanted = getattr(params, kind, "")
        if wanted:
            names = {o["name"].rpartition("-")[0] if o["kind"] == "ReplicaSet" else o["name"] for o in owners}
            return wanted in names
    return True


def _statuses(pod: Json) -> list[Json]:
    status = pod["status"]
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _reasons(status: Json) -> set[str]:
    parts = (status.get("state") or {}, status.get("lastState") or {})
    return {str(v.get("reason", "")) for part in parts for v in part.values()}


def _ended(status: Json) -> bool:
    return any((part or {}).get("terminated", {}).get("exitCode") for part in (status.get("state"),))


def _unscheduled(said: Json, words: tuple[str, ...], reason: str) -> bool:
    wanted = (said["type"], said["status"], said.get("reason")) == ("PodScheduled", "False", reason)
    return wanted and _has(said.get("message"), words)


def _has(message: Any, words: tuple[str, ...]) -> bool:
    return not words or any(word in str(message or "") for word in words)


def _slices(test: Callable[[list[Json]], bool]) -> Seen:
    def seen(world: World, params: Any) -> bool:
        label = "kubernetes.io/service-name"
        return test([s for s in world["EndpointSlice"] if s["metadata"].get("labels", {}).get(label) == params.service])

    return Seen(("EndpointSlice",), seen)


def _ready(found: Json) -> bool:
    return any((e.get("conditions") or {}).get("ready") for e in found.get("endpoints") or [])
