"""How faults are seen: a world of raw objects in which the symptom shows, and the same world when all is well."""

from __future__ import annotations

from typing import Any

import pytest

from grader.model import Json
from labs.inject import faults

WEB = {"deployment": "web"}
RUNNING = {"name": "server", "ready": True, "restartCount": 0, "state": {"running": {}}}


def pod(owner: str = "web-5d9f", *, conditions: Any = (), init: Any = (), **server: Any) -> dict[str, list[Json]]:
    meta = {"name": f"{owner}-x", "namespace": "shop", "ownerReferences": [{"kind": "ReplicaSet", "name": owner}]}
    status = {
        "conditions": list(conditions),
        "containerStatuses": [{**RUNNING, **server}],
        "initContainerStatuses": list(init),
    }
    return {"Pod": [{"metadata": meta, "spec": {"nodeName": "cpu-1"}, "status": status}]}


def event(reason: str, message: str) -> dict[str, list[Json]]:
    return {"Event": [{"reason": reason, "message": message}]}


def pending(message: str, reason: str = "Unschedulable") -> dict[str, list[Json]]:
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}], state={})


def slices(endpoints: Any, ports: Any) -> dict[str, list[Json]]:
    meta = {"labels": {"kubernetes.io/service-name": "web"}}
    return {"EndpointSlice": [{"metadata": meta, "endpoints": endpoints, "ports": ports}]}


def scaler(status: str, reason: str) -> dict[str, list[Json]]:
    conditions = [{"type": "AbleToScale", "status": status, "reason": reason}]
    return {"HorizontalPodAutoscaler": [{"metadata": {"name": "web"}, "status": {"conditions": conditions}}]}


def budget(allowed: int) -> dict[str, list[Json]]:
    status = {"expectedPods": 2, "disruptionsAllowed": allowed}
    return {"PodDisruptionBudget": [{"metadata": {"name": "web"}, "status": status}]}


WAITS: dict[str, Any] = {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
KILLED: dict[str, Any] = {"restartCount": 1, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
READY = [{"conditions": {"ready": True}}]
QUOTA = event("FailedCreate", 'pods "web-x" is forbidden: exceeded quota: team-quota')
ROWS: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("image_tag", {**WEB, "tag": "x"}, pod(**WAITS), pod()),
    ("image_tag", {**WEB, "tag": "x"}, pod(**WAITS), pod("web-canary-77", **WAITS)),
    ("memory_limit", {**WEB, "limit": "1Mi"}, pod(**KILLED), pod()),
    ("shadowed_volume", {**WEB, "path": "/m"}, pod(state={"terminated": {"exitCode": 1}}), pod()),
    ("readiness_path", WEB, pod(ready=False), pod()),
    ("init_waits", {**WEB, "host": "x"}, pod(init=[RUNNING]), pod(init=[{**RUNNING, "state": {"terminated": {}}}])),
    ("memory_request", WEB, pending("0/2 nodes: 2 Insufficient memory."), pending("0/2 nodes: 2 Insufficient cpu.")),
    ("scheduling_gate", WEB, pending("", "SchedulingGated"), pending("0/2 nodes")),
    ("scheduler_name", WEB, {"Pod": [{**pod()["Pod"][0], "spec": {}}]}, pending("0/2 nodes")),
    ("quota_too_small", {"namespace": "shop", "hard": {"pods": "1"}}, QUOTA, event("Created", "exceeded quota")),
    ("service_selector", {"service": "web", "value": "x"}, slices(None, None), slices(READY, [{"port": 8000}])),
    ("named_target_port", {"service": "web"}, slices(READY, None), slices(READY, [{"port": 8000}])),
    ("hpa_target", {"autoscaler": "web", "target": "x"}, scaler("False", "FailedGetScale"), scaler("True", "Ready")),
    ("pdb_blocks_drain", {**WEB, "name": "web"}, budget(0), budget(1)),
]


@pytest.mark.parametrize(("use", "with_", "shows", "well"), ROWS, ids=[f"{r[0]}-{i}" for i, r in enumerate(ROWS)])
def test_a_symptom_is_told_from_health(use: str, with_: dict[str, Any], shows: Any, well: Any) -> None:
    sight = faults.sight(use)
    assert sight is not None
    assert faults.is_seen(use, with_, {kind: shows.get(kind, []) for kind in sight.kinds})
    assert not faults.is_seen(use, with_, {kind: well.get(kind, []) for kind in sight.kinds})


def test_either_of_two_symptoms_will_do() -> None:
    with_ = {**WEB, "name": "settings"}
    nothing: dict[str, list[Json]] = {"Pod": [], "Event": []}
    failed = pod(ready=False, state={"waiting": {"reason": "CreateContainerConfigError"}})
    mount = event("FailedMount", 'configmap "settings-v2" not found')
    assert [faults.is_seen("missing_config_map", with_, {**nothing, **w}) for w in (failed, mount, nothing)] == [
        True,
        True,
        False,
    ]


def test_a_fault_without_a_declared_symptom_is_there_at_once() -> None:
    assert faults.sight("cluster_admin") is None
    assert faults.is_seen("cluster_admin", {"namespace": "shop"}, {})
