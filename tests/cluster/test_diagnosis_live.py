"""Diagnosis and coaching on the real engine: lines that are really there, and an audit log that really tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_kubectl import Kubectl, eventually

from labs.attempts.clues import Line
from labs.attempts.service import Tasks
from labs.errors import UsageError
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster
DIAGNOSE, FIX = "half-the-requests-fail", "no-endpoints"
REFUSED = '"status":413'


@pytest.fixture
def tasks(cluster: ClusterHandle, tmp_path: Path) -> Iterator[Tasks]:
    found = Tasks(cluster, store=tmp_path / "attempts.db")
    yield found
    for attempt in found.running():
        found.stop(attempt.scenario)


def right(tasks: Tasks, **said: str) -> list[bool | None]:
    return [part.right for part in tasks.answer(DIAGNOSE, **said).parts]


def test_a_diagnosis_is_held_against_the_live_cluster(tasks: Tasks, cluster: ClusterHandle) -> None:
    kubectl = Kubectl(cluster, "homepage-recs")
    tasks.start(DIAGNOSE)

    def proof() -> list[Line]:
        found = tasks.clues(DIAGNOSE)
        assert not found.unread
        return [line for line in found.lines if line.source == "log" and REFUSED in line.text]

    line = eventually(proof, 60)[0].text
    with pytest.raises(UsageError, match="names no object"):
        tasks.answer(DIAGNOSE, component="recs-b")
    assert right(tasks, component="deploy/recs-a", cause="overload") == [False, False, None]
    found = tasks.answer(DIAGNOSE, evidence=f'{{"level":"info",{REFUSED},"by":"hand"}}')
    assert found.parts[2].right is False
    assert "no such line was found in homepage-recs" in found.parts[2].reason
    assert found.time_to_detect is None
    (pod,) = kubectl.get("pods", "-l", "version=b")["items"]
    name = pod["metadata"]["name"]
    assert right(tasks, component=f"pod/{name}", cause="body-limit", evidence=line) == [True, True, True]

    # A repair takes the pod and its log away; what was seen before still counts, and so does a field of the start.
    kubectl("delete", "pod", name, "--grace-period=0", "--force")
    assert right(tasks, evidence=line) == [True, True, True]
    assert right(tasks, evidence="    max_body_bytes: 1024") == [True, True, True]
    report = tasks.check(DIAGNOSE, settle=0)
    assert not report.passed
    verdicts = {v.id: v.outcome.value for v in report.checks if v.kind == "diagnosis"}
    assert verdicts == dict.fromkeys([f"diagnosis-{p}" for p in ("component", "cause", "evidence")], "passed")
    assert report.time_to_detect is not None
    assert [(c.verb, c.object) for c in report.changes] == [("delete", f"Pod/{name}")]
    assert report.time_to_first_change is not None
    assert not any(part.answered for part in tasks.reset(DIAGNOSE).diagnosis.parts)  # type: ignore[union-attr] # it asks for one


def test_a_near_miss_is_told_and_goes_with_the_repair(tasks: Tasks, cluster: ClusterHandle) -> None:
    kubectl = Kubectl(cluster, tasks.scenario(FIX).file.namespaces[0])
    tasks.start(FIX)
    (deployment,) = kubectl.get("deployments")["items"]
    wanted = kubectl.get("service", deployment["metadata"]["name"])["spec"]["selector"]
    pod = eventually(lambda: kubectl.get("pods")["items"])[0]["metadata"]["name"]
    kubectl("label", "pod", pod, "--overwrite", *(f"{key}={value}" for key, value in wanted.items()))
    report = tasks.check(FIX, settle=0)
    assert not report.passed
    (change,) = report.changes
    assert (change.verb, change.object, change.by) == ("patch", f"Pod/{pod}", "kubectl-label")
    assert all(path.startswith("metadata.labels") for path in change.fields)
    (said,) = report.coaching
    assert f"Pod/{pod}" in said
    assert f"Deployment/{deployment['metadata']['name']}" in said
    assert "spec.template.metadata.labels.release" in said
    tasks.apply_fix(FIX, tasks.scenario(FIX).solution)
    assert tasks.check(FIX).coaching == []
