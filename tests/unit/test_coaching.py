"""Coaching: what the learner changed is told from the audit log, near misses only where they are sure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from grader.model import Json, Report
from grader.report import plain
from labs.attempts.fieldpaths import managed, overlap, shorten
from labs.attempts.naming import Named
from labs.coaching.audit import Write
from labs.coaching.faulty import Fault, faults
from labs.coaching.nearmiss import View, near_misses
from labs.render.report import report as rendered
from labs.render.terminal import Terminal
from tests.unit.diagnosis_world import FILES, ID, World

POD, SET = "web-5d9c7b6f4-abcde", "web-5d9c7b6f4"
IMAGE = "spec.template.spec.containers[server].image"
SCENARIO = FILES["3-services/no-answer/scenario.yaml"].replace(
    "- use: service_selector\n  with: {service: web, value: wbe}\n", "- apply: broken/\n"
)
BROKEN = FILES["3-services/no-answer/base/all.yaml"].split("---")[0].replace(":1.0.0", ":9.9.9")
CONTAINER = 'k:{"name":"server"}'


class Learner:
    """Does things to the fake cluster, and leaves the traces that an API server would."""

    def __init__(self, world: World, log: Path) -> None:
        self.world, self.log = world, log

    def wrote(self, verb: str, resource: str, name: str, *, owns: Json | None = None, **given: Any) -> None:
        ref = {"resource": resource, "name": name, "namespace": given.get("namespace", "shop")}
        event = {
            "kind": "Event",
            "verb": verb,
            "user": {"username": given.get("user", "lab-admin")},
            "userAgent": given.get("agent", "kubectl/v1.36.0 (linux/amd64)"),
            "objectRef": {**ref, "subresource": given.get("sub", "")},
            "requestURI": given.get("uri", "/x"),
            "responseStatus": {"code": given.get("code", 200)},
            "requestReceivedTimestamp": self.world.time.isoformat().replace("+00:00", "Z"),
        }
        with self.log.open("a") as file:
            file.write(json.dumps(event, separators=(",", ":")) + "\n")  # as the API server writes it
        if owns is not None:
            found = [o for o in self.world.cluster.objects if o["metadata"]["name"] == name]
            obj = next(o for o in found if o["kind"].lower() + "s" == resource)
            entry = {"manager": "kubectl-edit", "time": f"{self.world.time:%Y-%m-%dT%H:%M:%SZ}", "fieldsV1": owns}
            obj["metadata"].setdefault("managedFields", []).append(entry)

    def report(self) -> Report:
        self.world.pass_time(10)
        return self.world.check(ID, settle=0)


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learner]:
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    changed = {"3-services/no-answer/scenario.yaml": SCENARIO, "3-services/no-answer/broken/all.yaml": BROKEN}
    world = World(tmp_path, changed)
    log = tmp_path / "audit.log"
    log.touch()
    world._handle = replace(world.handle, audit=log)
    world.pass_time(20)
    return Learner(world, log)


def in_container(field: str) -> Json:
    return {"f:spec": {"f:containers": {CONTAINER: {".": {}, f"f:{field}": {}}}}}


def test_what_was_changed_is_listed_with_its_fields_and_the_time_of_the_first(learner: Learner) -> None:
    learner.wrote("patch", "deployments", "web", owns={"f:spec": {"f:replicas": {}}})
    learner.world.pass_time(5)
    learner.wrote("delete", "pods", POD)
    report = learner.report()
    assert [(c.verb, c.object, c.namespace, c.fields, c.by) for c in report.changes] == [
        ("patch", "Deployment/web", "shop", ["spec.replicas"], "kubectl-edit"),
        ("delete", f"Pod/{POD}", "shop", [], "kubectl"),
    ]
    assert report.time_to_first_change == 20


@pytest.mark.parametrize(
    "given",
    [
        {"agent": "labs"},
        {"agent": "labs-grader"},
        {"user": "system:serviceaccount:kube-system:deployment-controller"},
        {"user": "lab:network-policies"},
        {"code": 403},
        {"uri": "/x?dryRun=All"},
        {"sub": "exec"},
        {"namespace": "kube-system"},
        {"namespace": "somewhere"},
    ],
    ids=lambda given: "-".join(map(str, given.items())),
)
def test_what_a_learner_did_not_do_to_the_task_is_not_told(learner: Learner, given: Json) -> None:
    learner.wrote("patch", "pods", "anything", **given)
    learner.wrote("get", "pods", POD)
    with learner.log.open("a") as file:
        file.write('garbage\n{"verb": "patch", "objectRef": null}\n{"verb": "pat')
    report = learner.report()
    assert (report.changes, report.coaching, report.time_to_first_change) == ([], [], None)


def test_without_an_audit_log_the_objects_tell_what_they_can(learner: Learner) -> None:
    learner.wrote("patch", "deployments", "web", owns={"f:spec": {"f:replicas": {}}})
    learner.world._handle = replace(learner.world.handle, audit=None)
    report = learner.report()
    assert [(c.object, c.fields) for c in report.changes] == [("Deployment/web", ["spec.replicas"])]
    assert report.time_to_first_change == 20


def test_an_edited_pod_whose_deployment_is_as_it_was(learner: Learner) -> None:
    learner.wrote("patch", "pods", POD, owns=in_container("image"))
    (said,) = learner.report().coaching
    assert f"Pod/{POD}" in said
    assert "Deployment/web" in said
    assert IMAGE in said


def test_silence_when_the_deployment_is_mended_too(learner: Learner) -> None:
    learner.wrote("patch", "pods", POD, owns=in_container("image"))
    container = learner.world.cluster.find("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.lab/model-server:1.0.0"
    assert learner.report().coaching == []


def test_silence_about_a_field_that_is_not_the_fault(learner: Learner) -> None:
    learner.wrote("patch", "pods", POD, owns=in_container("workingDir"))
    assert learner.report().coaching == []


def test_a_field_that_the_template_states_otherwise_does_not_last(learner: Learner) -> None:
    learner.world.cluster.find("Pod", POD)["metadata"]["labels"] = {"app": "other", "note": "x"}
    learner.wrote("patch", "pods", POD, owns={"f:metadata": {"f:labels": {"f:note": {}}}})
    assert learner.report().coaching == [], "a label of one's own is no mistake"
    learner.wrote("patch", "pods", POD, owns={"f:metadata": {"f:labels": {"f:app": {}}}})
    (said,) = learner.report().coaching
    assert "Deployment/web, which makes it, has another value in `spec.template.metadata.labels.app`" in said


def test_a_deleted_pod_comes_back_from_the_same_template(learner: Learner) -> None:
    learner.wrote("delete", "pods", POD)
    learner.world.cluster.objects = [o for o in learner.world.cluster.objects if o["kind"] != "Pod"]
    (said,) = learner.report().coaching
    assert "makes the next one from the same `spec.template`" in said


def test_an_edited_replica_set(learner: Learner) -> None:
    template = {"f:spec": {"f:template": in_container("image")}}
    learner.wrote("update", "replicasets", SET, owns=template)
    (said,) = learner.report().coaching
    assert f"ReplicaSet/{SET}" in said
    assert IMAGE in said


def test_a_namesake_in_another_namespace(learner: Learner) -> None:
    other = json.loads(json.dumps(learner.world.cluster.find("Deployment", "web")))
    other["metadata"]["namespace"] = "default"
    learner.world.cluster.objects.insert(0, other)
    learner.wrote(
        "patch", "deployments", "web", namespace="default", owns={"f:spec": {"f:template": in_container("image")}}
    )
    (said,) = learner.report().coaching
    assert "namespace default" in said
    assert "shop" in said
    assert IMAGE in said


def test_only_labels_or_only_a_restart(learner: Learner) -> None:
    learner.wrote("patch", "deployments", "web", owns={"f:metadata": {"f:labels": {"f:tier": {}}}})
    (said,) = learner.report().coaching
    assert "only `metadata.labels.tier`" in said
    assert "`spec` is as it was" in said


def test_only_a_restart(learner: Learner) -> None:
    stamp = {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}
    owns = {"f:spec": {"f:template": {"f:metadata": stamp}}}
    learner.wrote("patch", "deployments", "web", owns=owns)
    (said,) = learner.report().coaching
    assert said.startswith("you restarted Deployment/web")


def test_mended_live_and_not_in_the_files(learner: Learner) -> None:
    folder = learner.world.current(ID).workspace
    (folder / "deploy").mkdir(parents=True)
    (folder / "deploy" / "web.yaml").write_text(BROKEN)
    (folder / "deploy" / "broken.yaml").write_text("a: [")
    container = learner.world.cluster.find("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.lab/model-server:1.0.0"
    learner.wrote("patch", "deployments", "web", owns={"f:spec": {"f:template": in_container("image")}})
    (said,) = learner.report().coaching
    assert "deploy/web.yaml still has" in said
    (folder / "deploy" / "web.yaml").write_text(BROKEN.replace("9.9.9", "1.0.0"))
    assert learner.report().coaching == []


def test_another_running_tasks_namespace_is_no_namesake() -> None:
    mine, other = Named("Service", "web", "shop"), Named("Service", "web", "other")
    live: list[Json] = [
        {"kind": "Service", "metadata": {"name": "web", "namespace": ns}, "spec": {"port": 1}}
        for ns in ("shop", "other")
    ]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    view = View(at, ("shop",), [Write(at, "patch", other)], [Fault(mine, "spec.port", 2, 1)], live)
    assert near_misses(view)
    view.busy = frozenset({"other"})
    assert near_misses(view) == []


def test_the_fault_is_where_broken_and_healthy_differ(learner: Learner) -> None:
    (found,) = faults(learner.world.scenario(ID))
    assert (str(found.object), found.path) == ("Deployment/web", IMAGE)
    assert (found.healthy, found.broken) == ("registry.lab/model-server:1.0.0", "registry.lab/model-server:9.9.9")


def test_a_passed_task_is_not_coached_about_near_misses(learner: Learner) -> None:
    learner.world.answer(ID, component="deploy/web", cause="limit", evidence='"status":413')
    learner.wrote("patch", "pods", POD, owns=in_container("image"))
    learner.world.cluster.find("Service", "web")["spec"]["selector"] = {"app": "web"}
    report = learner.report()
    assert report.passed
    assert report.coaching == []
    assert len(report.changes) == 1


def test_paths_of_managed_fields() -> None:
    owned = {
        "f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/name": {}}, "f:finalizers": {'v:"x"': {}}},
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:targetPort": {}}}, "f:args": {}},
    }
    assert list(managed(owned)) == [
        "metadata.labels[app.kubernetes.io/name]",
        "metadata.finalizers",
        "spec.ports[*].targetPort",
        "spec.args",
    ]
    assert overlap("spec.ports[*].targetPort", "spec.ports[0].targetPort")
    assert overlap("spec.args", "spec.args[1]")
    assert not overlap("spec.containers[a].image", "spec.containers[b].image")
    assert shorten([f"spec.a.b{n}" for n in range(9)] + ["status"], most=3) == ["spec.a", "status"]


def test_the_report_tells_it_beside_the_verdict(learner: Learner) -> None:
    learner.wrote("patch", "pods", POD, owns=in_container("image"))
    report = learner.report()
    bare = report.model_copy(update={"coaching": [], "changes": [], "time_to_first_change": None})
    assert (report.points, report.passed, report.checks) == (bare.points, bare.passed, bare.checks)
    for text in (plain(report), rendered(Terminal(StringIO()), report)):
        assert f"you edited Pod/{POD}" in " ".join(text.split())
        assert f"12:00:20 patch Pod/{POD} in shop: spec.containers[server].image (kubectl-edit)" in " ".join(
            text.split()
        )
    assert "What you changed" not in rendered(Terminal(StringIO()), bare)
