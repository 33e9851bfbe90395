"""When an autoscaler has had the time to see a repair: until then its old condition is no verdict."""

from __future__ import annotations

from typing import Any

import pytest

from grader.fake_cluster import FakeCluster
from grader.model import Check
from tests.unit.grader_world import NOW, NS, Clock, ago, deployment, pod, run

Json = dict[str, Any]
LOST = {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale"}
UNASKED = {"type": "ScalingActive", "status": "False", "message": "missing request for cpu in container c"}
UNMEASURED = {"type": "ScalingActive", "status": "False", "message": "did not receive metrics (pods might be unready)"}
ACTIVE = {"type": "ScalingActive", "status": "True"}


def scaler(*conditions: Json, changed: float) -> Json:
    fields = [{"manager": "kubectl", "time": ago(changed)}]
    meta = {"name": "embedder", "namespace": NS, "creationTimestamp": ago(3600), "managedFields": fields}
    return {"kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": {}, "status": {"conditions": list(conditions)}}


def check() -> Check:
    of = {"kind": "HorizontalPodAutoscaler", "namespace": NS, "name": "embedder"}
    return Check.model_validate({"id": "active", "about": "a", "condition": {"of": of, "type": "ScalingActive"}})


def new_pod(age: float) -> Json:
    one = pod(since=age)
    one["metadata"]["creationTimestamp"] = ago(age)
    one["status"]["containerStatuses"][0]["ready"] = True
    return one


WAITED = [
    # changed long ago: what it says is the verdict
    (scaler(LOST, changed=600), [], 1, 1),
    (scaler(UNMEASURED, changed=600), [], 1, 1),
    # changed just now: its next round is waited for, and for the usage of new pods their first window
    (scaler(LOST, changed=1), [], 18, 20),
    (scaler(UNASKED, changed=1), [new_pod(2)], 17, 19),
    (scaler(UNMEASURED, changed=600), [new_pod(30)], 44, 46),
    (scaler(changed=30), [], 44, 46),
]


@pytest.mark.parametrize(("one", "more", "least", "most"), WAITED)
def test_how_long_a_failing_autoscaler_is_waited_for(one: Json, more: list[Json], least: float, most: float) -> None:
    cluster = FakeCluster([one, deployment(), *more])
    cluster.time = NOW
    clock = Clock(cluster)
    assert not run(cluster, [check()], clock, settle=90).passed
    assert least <= clock.passed <= most + 1


def test_a_repair_is_seen_once_its_pods_are_measured() -> None:
    cluster = FakeCluster([scaler(UNMEASURED, changed=3), deployment(ready=1), new_pod(3)])
    cluster.time = NOW
    clock = Clock(cluster)
    clock.at(40, lambda: cluster.find("HorizontalPodAutoscaler", "embedder")["status"].update(conditions=[ACTIVE]))
    report = run(cluster, [check()], clock, settle=90)
    assert report.passed
    assert report.notes == ["waited 40 s for HorizontalPodAutoscaler serving/embedder to look at its target again"]
