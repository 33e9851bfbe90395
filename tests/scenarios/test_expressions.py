"""Every CEL expression of the course, on two libraries: they must agree on a healthy, a broken and an empty cluster.

The clusters are made of the scenario's own manifests, with the pods and slices that the controllers would make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import celpy_reference
import pytest

from grader.errors import Undefined
from grader.expression import CHEAP_STEPS, compile_expression
from grader.fake_cluster import FakeCluster
from grader.model import Json, Objects, Rendered
from labs.course.load import load_course
from labs.course.models import Scenario
from labs.inject.manifests import final, stages

Observe = dict[str, Objects | Rendered]


def expressions() -> Iterator[Any]:
    for scenario in load_course().scenarios:
        for check in scenario.file.checks:
            for label, source in (("cel", check.cel), ("show", check.show)):
                if source:
                    yield pytest.param(scenario, source, check.observe, id=f"{scenario.id}-{check.id}-{label}")
        for number, guard in enumerate(scenario.file.guards):
            if guard.cel:
                yield pytest.param(scenario, guard.cel, guard.observe, id=f"{scenario.id}-guard-{number}")


def world(objects: list[Json], *, ready: bool) -> list[Json]:
    """Return objects as they look on a cluster a while later."""
    made = [_aged(obj, ready=ready) for obj in objects]
    for deployment in [obj for obj in made if obj["kind"] == "Deployment"]:
        count = int(deployment["spec"].get("replicas", 1))
        made += [_pod(deployment, number, ready=ready) for number in range(count)]
    for service in [obj for obj in made if obj["kind"] == "Service"]:
        made.append(_slice(service, [obj for obj in made if obj["kind"] == "Pod"], ready=ready))
    return made


def _aged(obj: Json, *, ready: bool) -> Json:
    meta = {"uid": obj["metadata"]["name"], "generation": 1, "labels": {}, **obj["metadata"]}
    if obj["kind"] != "Deployment":
        return {**obj, "metadata": meta}
    count = int(obj["spec"].get("replicas", 1))
    numbers = {"readyReplicas": count, "availableReplicas": count} if ready else {"unavailableReplicas": count}
    condition = {"type": "Available", "status": str(ready), "reason": "x", "message": "y"}
    status = {
        "observedGeneration": 1,
        "replicas": count,
        "updatedReplicas": count,
        "conditions": [condition],
        **numbers,
    }
    annotations = {"deployment.kubernetes.io/revision": "1", **(meta.get("annotations") or {})}
    return {**obj, "metadata": {**meta, "annotations": annotations}, "status": status}


def _pod(deployment: Json, number: int, *, ready: bool) -> Json:
    template = deployment["spec"]["template"]
    meta = {
        "name": f"{deployment['metadata']['name']}-{number}",
        "namespace": deployment["metadata"].get("namespace", ""),
        "labels": template["metadata"].get("labels", {}),
        "ownerReferences": [{"kind": "ReplicaSet", "name": deployment["metadata"]["name"]}],
    }
    statuses = [
        {"name": c["name"], "ready": ready, "restartCount": 0 if ready else 4, "state": {"running": {}}}
        for c in template["spec"]["containers"]
    ]
    status = {
        "phase": "Running",
        "podIP": f"10.0.0.{number}",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": statuses,
    }
    return {"kind": "Pod", "metadata": meta, "spec": {**template["spec"], "nodeName": "cpu-1"}, "status": status}


def _slice(service: Json, pods: list[Json], *, ready: bool) -> Json:
    wanted = (service["spec"].get("selector") or {}).items()
    endpoints = [
        {"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}}
        for pod in pods
        if wanted <= pod["metadata"]["labels"].items()
    ]
    name = service["metadata"]["name"]
    meta = {
        "name": f"{name}-x",
        "namespace": service["metadata"].get("namespace", ""),
        "labels": {"kubernetes.io/service-name": name},
    }
    # Without endpoints the API server writes null, not an empty list.
    ports = [{"name": p.get("name", ""), "port": 8000} for p in service["spec"]["ports"]] if endpoints else None
    return {"kind": "EndpointSlice", "metadata": meta, "endpoints": endpoints or None, "ports": ports}


def worlds(scenario: Scenario) -> Iterator[list[Json]]:
    staged = stages(scenario)
    yield world(staged[0].objects, ready=True)
    yield world(list(final(staged).values()), ready=False)
    yield []


def seen(observe: Observe, objects: list[Json]) -> dict[str, list[Json]]:
    cluster = FakeCluster(objects)
    rendered = [obj for obj in objects if obj["kind"] in {"Deployment", "Service"}]
    return {name: rendered if isinstance(of, Rendered) else cluster.read(of) for name, of in observe.items()}


def result(evaluate: Callable[[], Any]) -> Any:
    try:
        return evaluate()
    except (Undefined, celpy_reference.Gap):
        return "a gap in the data"


@pytest.mark.parametrize(("scenario", "source", "observe"), expressions())
def test_both_libraries_agree(scenario: Scenario, source: str, observe: Observe) -> None:
    ours = compile_expression(source, observe)
    for objects in worlds(scenario):
        data = seen(observe, objects)
        assert ours._steps(data) <= CHEAP_STEPS, "it would be evaluated in a process of its own"
        assert result(lambda: ours.value(data)) == result(lambda: celpy_reference.evaluate(source, data))  # noqa: B023
