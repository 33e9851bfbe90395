"""How faults are seen: a world of raw objects in which the symptom shows, and the same world when all is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grader.model import Json
from labs.course.load import load_course
from labs.inject import faults
from labs.inject.api import Api, Resource
from labs.inject.symptoms import wait_broken, wait_started
from tests.unit.course_sample import spoiled, write_course

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


S = "3-services/no-answer/scenario.yaml"
USE = "- use: service_selector\n  with: {service: web, value: wbe}"
IMAGE = "- use: image_tag\n  with: {deployment: web, tag: 1.0.O}"


class Slow(Api):
    """A cluster that shows another world at every look; the last one stays.

    Args:
        worlds: Kind → objects, and `bot`: the phase of the pod that brings timed faults.
    """

    def __init__(self, *worlds: dict[str, Any]) -> None:
        self.worlds = list(worlds)
        self.looks = 0
        self.time = 0.0

    def _clock(self) -> float:  # an attribute there
        self.time += 0.5
        return self.time

    def resource(self, _version: str, kind: str) -> Resource:
        return Resource("", "v1", kind, kind.lower(), namespaced=True, listable=True)

    def items(self, resource: Resource, _namespace: str = "", _selector: str = "") -> list[Json]:
        found: list[Json] = self._look().get(resource.kind, [])
        return found

    def get(self, _obj: Json) -> Json | None:
        phase = self._look().get("bot")
        return {"status": {"phase": phase}} if phase else None

    def _look(self) -> dict[str, Any]:
        self.looks += 1
        return self.worlds.pop(0) if len(self.worlds) > 1 else self.worlds[0]


def broken(tmp_path: Path, text: str, *worlds: dict[str, Any]) -> tuple[list[str], Slow]:
    (scenario,) = load_course(write_course(tmp_path, spoiled(S, USE, text))).scenarios
    api = Slow(*worlds)
    return wait_broken(api, scenario, seconds=20, every=0), api


def test_a_task_is_waited_for_until_it_shows_what_is_wrong(tmp_path: Path) -> None:
    late, api = broken(tmp_path, IMAGE, pod(), pod(), pod(**WAITS))
    assert (late, api.looks) == ([], 3)
    late, _ = broken(tmp_path / "never", IMAGE, pod())
    assert late == ["image_tag: ErrImagePull, then ImagePullBackOff"]


def steps() -> Iterator[dict[str, Any]]:
    yield from ({"bot": phase} for phase in ("", "Pending", "Running", "Running"))


def test_timed_faults_are_waited_for_and_then_seen(tmp_path: Path) -> None:
    late, api = broken(tmp_path, f"{IMAGE}\n  at: 5s", *steps(), {"bot": "Succeeded"}, pod(), pod(**WAITS))
    assert (late, api.looks) == ([], 7)
    late, _ = broken(tmp_path / "late", f"{IMAGE}\n  at: 5s", *steps(), {"bot": "Running", **pod(**WAITS)})
    assert late == ["timed faults: the pod deploy-bot, which brings them, is Running"]
    late, _ = broken(tmp_path / "failed", f"{IMAGE}\n  at: 5s", {"bot": "Failed", **pod()})
    assert [words.partition(":")[0] for words in late] == ["timed faults", "image_tag"]


def young(seconds: float, *, node: str = "cpu-1", deleted: bool = False, **server: Any) -> dict[str, list[Json]]:
    """Return a pod that was made so many seconds ago; without `server` no container has a status."""
    meta = {"creationTimestamp": (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    meta |= {"deletionTimestamp": meta["creationTimestamp"]} if deleted else {}
    status = {"containerStatuses": [server]} if server else {}
    return {"Pod": [{"metadata": meta, "spec": {"nodeName": node} if node else {}, "status": status}]}


CREATING: dict[str, Any] = {"state": {"waiting": {"reason": "ContainerCreating"}}}


@pytest.mark.parametrize(
    ("age", "given", "looks"),
    [
        (2, {}, 2),
        (2, CREATING, 2),
        (2, {"state": {"waiting": {"reason": "PodInitializing"}}}, 2),
        (600, CREATING, 1),  # stuck: this is what it is to look like
        (2, {"node": ""}, 1),
        (2, {"deleted": True}, 1),
        (2, WAITS, 1),
    ],
)
def test_a_fix_waits_for_pods_that_are_being_started(age: float, given: dict[str, Any], looks: int) -> None:
    api = Slow(young(age, **given), young(3, state={"running": {}}))
    wait_started(api, ["shop"], seconds=100)
    assert api.looks == looks


def test_a_fix_does_not_wait_where_there_are_no_pods() -> None:
    api = Slow({"Pod": []})
    wait_started(api, ["shop"], seconds=100)
    assert api.looks == 1


def test_a_pod_that_is_not_started_in_time_is_left_alone() -> None:
    api = Slow(young(0, **CREATING))
    wait_started(api, ["shop"], seconds=5)
    assert api.looks > 5
