"""Applies objects in waves by server-side apply, and waits until workloads have made their pods or are ready.

Called by `labs.attempts.seeding` and `restore.py`. It knows objects, not scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grader.model import Json
from labs.course.models import When
from labs.errors import ClusterError
from labs.inject.api import Api, Refusal, label
from labs.inject.manifests import WORKLOADS, is_absent

CREATED_WITHIN = 8.0
READY_WITHIN = 120.0
ACCOUNT_WITHIN = 10.0
_FIRST = frozenset({"Namespace", "CustomResourceDefinition"})


def apply(api: Api, objects: Sequence[Json]) -> None:
    """Apply objects: namespaces, what workloads refer to, workloads; objects marked absent are deleted.

    Raises:
        ClusterError: The API server refuses one, or does not answer; `where` is the object.
    """
    gone = [o for o in objects if is_absent(o)]
    api.together(api.delete, gone)
    present = [o for o in objects if not is_absent(o)]
    waves = (
        [o for o in present if o["kind"] in _FIRST],
        [o for o in present if o["kind"] not in _FIRST | WORKLOADS],
        [o for o in present if o["kind"] in WORKLOADS],
    )
    for number, wave in enumerate(waves):
        if number == len(waves) - 1:
            _accounts(api, wave)
        api.together(lambda obj: _one(api, obj), wave)


def _one(api: Api, obj: Json) -> None:
    try:
        api.apply(obj)
    except Refusal as refusal:
        raise ClusterError(
            f"the cluster refuses the object: {refusal.message}",
            where=label(obj),
            hint="`labs lint` checks the manifests",
        ) from None


def _accounts(api: Api, workloads: Iterable[Json]) -> None:
    """Bare pods are refused until their namespace has its default ServiceAccount; controllers try again."""
    for namespace in sorted({o["metadata"].get("namespace", "") for o in workloads if o["kind"] == "Pod"}):
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"namespace": namespace, "name": "default"},
        }
        api.wait(lambda account=account: api.get(account) is not None, seconds=ACCOUNT_WITHIN, every=0.05)  # type: ignore[misc]


def wait_created(api: Api, workloads: Iterable[Json], *, seconds: float = CREATED_WITHIN) -> list[str]:
    """Wait until every workload has made its pods, or has said that it cannot.

    Returns:
        The workloads that have done neither in time; a task can be broken that way on purpose.
    """
    return _wait(api, workloads, _created, seconds)


def wait_for(api: Api, when: When, workloads: Iterable[Json]) -> None:
    """Wait until a later stage may be applied over these workloads.

    Raises:
        ClusterError: They have not come that far in time.
    """
    if when == "ready":
        wait_ready(api, workloads)
    elif when == "made":
        late = wait_created(api, workloads)
        if late:
            raise ClusterError(
                f"no pods within {CREATED_WITHIN:.0f} s: {', '.join(late)}",
                hint="`labs status` and `kubectl get events -A` tell more; `labs scenarios reset` tries again",
            )


def wait_ready(api: Api, workloads: Iterable[Json], *, seconds: float = READY_WITHIN) -> None:
    """Wait until every Deployment, StatefulSet and DaemonSet is rolled out and ready.

    Raises:
        ClusterError: One is not ready in time; the message tells what its pods wait for.
    """
    late = _wait(api, workloads, _ready, seconds)
    if late:
        namespaces = sorted({o["metadata"].get("namespace", "") for o in workloads})
        reason = _reason(api, namespaces)
        raise ClusterError(
            f"not ready within {seconds:.0f} s: {', '.join(late)}{reason}",
            hint="`labs status` and `kubectl get events -A` tell more; `labs reset` on the scenario tries again",
        )


def _wait(api: Api, workloads: Iterable[Json], done: object, seconds: float) -> list[str]:
    check = done if callable(done) else _created
    waiting = {label(o): o for o in workloads if o["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}}

    def over() -> bool:
        states = api.together(api.get, waiting.values())
        for name, state in zip(list(waiting), states, strict=True):
            if state is None or check(state):
                del waiting[name]
        return not waiting

    api.wait(over, seconds=seconds, every=0.1)
    return sorted(waiting)


def _seen(obj: Json) -> bool:
    return bool((obj.get("status") or {}).get("observedGeneration", 0) >= obj["metadata"].get("generation", 1))


def _created(obj: Json) -> bool:
    status, spec = obj.get("status") or {}, obj["spec"]
    if obj["kind"] == "Job":
        return bool(status.get("active") or status.get("succeeded") or status.get("failed") or spec.get("suspend"))
    if not _seen(obj):
        return False
    if obj["kind"] == "DaemonSet":
        return bool(status.get("currentNumberScheduled", 0) >= status.get("desiredNumberScheduled", 0))
    failure = any(c["type"] == "ReplicaFailure" and c["status"] == "True" for c in status.get("conditions") or [])
    return bool(failure or spec.get("paused") or status.get("replicas", 0) >= spec.get("replicas", 1))


def _ready(obj: Json) -> bool:
    status, spec = obj.get("status") or {}, obj["spec"]
    if obj["kind"] == "Job":
        return True
    if not _seen(obj):
        return False
    if obj["kind"] == "DaemonSet":
        return bool(status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 0))
    wanted = spec.get("replicas", 1)
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas"))
    return all(count == wanted for count in counts)


def _reason(api: Api, namespaces: Iterable[str]) -> str:
    said = set()
    for namespace in namespaces:
        for pod in api.items(api.resource("v1", "Pod"), namespace):
            for state in (pod.get("status") or {}).get("containerStatuses") or []:
                waiting = (state.get("state") or {}).get("waiting")
                if waiting:
                    said.add(f"{pod['metadata']['name']} {waiting.get('reason', '')}")
    return f" ({'; '.join(sorted(said)[:3])})" if said else ""
