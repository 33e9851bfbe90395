"""A namespace with a Deployment, for tests of the grader: objects with times, and a clock that only waiting moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from grader.capabilities import Capabilities, Requires
from grader.cluster import HttpAnswer
from grader.fake_cluster import FakeCluster
from grader.model import Check, Report
from grader.runner import grade

NS = "serving"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Clock:
    """Time that passes only when somebody waits, and does things on its way."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.passed = 0.0
        self.events: list[tuple[float, Any]] = []

    def at(self, seconds: float, act: Any) -> None:
        self.events.append((seconds, act))

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.cluster.time = NOW + timedelta(seconds=self.passed)
        for event in [e for e in self.events if e[0] <= self.passed]:
            self.events.remove(event)
            event[1]()


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def deployment(*, ready: int = 0, changed: float = 3600, generation: int = 2, observed: int = 2) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "embedder",
            "namespace": NS,
            "uid": "1",
            "generation": generation,
            "creationTimestamp": ago(max(changed, 3600)),
            "managedFields": [{"manager": "kubectl", "time": ago(changed)}],
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "x:1"}]}}},
        "status": {"observedGeneration": observed, "readyReplicas": ready},
    }


def pod(name: str = "embedder-1", *, since: float = 3600, **status: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NS, "creationTimestamp": ago(3600)},
        "spec": {"containers": [{"name": "c", "readinessProbe": {"periodSeconds": 10}}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "c", "ready": False, "state": {"running": {"startedAt": ago(since)}}}],
            **status,
        },
    }


def ready_check(points: int = 2) -> Check:
    observe = {"d": {"kind": "Deployment", "namespace": NS, "name": "embedder"}}
    return Check.model_validate(
        {
            "id": "ready",
            "points": points,
            "about": "It is ready",
            "cel": "d[0].status.readyReplicas == 1",
            "observe": observe,
        }
    )


def http_check(**more: Any) -> Check:
    return Check.model_validate({"id": "answers", "about": "It answers", "http": {"service": "embedder"}, **more})


def hold_check(seconds: float = 20) -> Check:
    hold = {"seconds": seconds, "check": "answers"}
    return Check.model_validate({"id": "stays", "points": 3, "about": "It stays up", "sustained": hold})


def run(cluster: FakeCluster, checks: list[Check], clock: Clock | None = None, **more: Any) -> Report:
    arguments: dict[str, Any] = {
        "has": Capabilities(),
        "requires": Requires(),
        "namespaces": [NS],
        "baseline": None,
        "clock": clock or Clock(cluster),
        **more,
    }
    guards = arguments.pop("guards", [])
    return grade("t", checks, guards, cluster, **arguments)


def web(status: int = 200) -> dict[str, HttpAnswer]:
    return {"http://embedder.serving.svc:80/": HttpAnswer(status, ms=1)}
