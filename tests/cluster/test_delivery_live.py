"""The check kinds of delivery on the real engine: a release by the real helm, the workspace, both registries."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engine_kubectl import Kubectl

from grader.capabilities import Requires
from grader.live import LiveCluster
from grader.model import Check, Outcome, Report
from grader.runner import grade
from labs import tools
from labs.attempts import repository
from labs.course.repository import Repository
from labs.inject import faults
from labs.inject.api import Api
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: settings, version: 1.0.0}",
    "values.yaml": "color: red",
    "templates/settings.yaml": (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: {{ .Values.color }}}}"
    ),
}
KUSTOMIZED = {
    "base/kustomization.yaml": "resources: [settings.yaml]",
    "base/settings.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: red}}",
    "prod/kustomization.yaml": "{namePrefix: prod-, resources: [../base]}",
    "copied/kustomization.yaml": "resources: [settings.yaml]",
    "copied/settings.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: prod-settings}, data: {color: red}}",
}
HISTORY = Repository.model_validate(
    {
        "folder": "repo",
        "commits": [
            {"message": "Add", "author": "A <a@lab.example>", "date": "2026-01-01", "write": {"a": "hunter2\n"}},
            {"message": "Take out", "author": "A <a@lab.example>", "date": "2026-01-02", "write": {"a": "none\n"}},
        ],
    }
)


def judge(cluster: ClusterHandle, workspace: Path, namespace: str, *checks: dict[str, Any]) -> Report:
    asked = [Check.model_validate({"id": f"c{i}", "about": "x", **body}) for i, body in enumerate(checks)]
    live = LiveCluster(
        cluster.kubeconfig,
        workspace=workspace,
        kubectl=tools.kubectl,
        registry=cluster.registry,
        private=cluster.private,
    )
    with closing(live):
        return grade(
            "live",
            asked,
            [],
            live,
            has=cluster.capabilities,
            requires=Requires(),
            namespaces=[namespace],
            baseline=None,
            settle=0,
        )


def outcomes(report: Report) -> str:
    letters = {Outcome.PASSED: "+", Outcome.FAILED: "-", Outcome.UNKNOWN: "?"}
    return "".join(letters[verdict.outcome] for verdict in report.checks)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_release_of_the_real_helm(cluster: ClusterHandle, kubectl: Kubectl, tmp_path: Path) -> None:
    write(tmp_path / "chart", CHART)

    def helm(*words: str) -> str:
        """Return nothing, or what Helm says when it fails."""
        command = [str(tools.helm()), "--kubeconfig", str(cluster.kubeconfig), "-n", kubectl.namespace, *words]
        done = subprocess.run(command, check=False, capture_output=True, cwd=tmp_path, timeout=60, text=True)
        return done.stderr if done.returncode else ""

    def check(**more: Any) -> dict[str, Any]:
        return {"helm": {"release": "demo", **more}}

    assert not helm("install", "demo", "chart", "--set", "color=hunter2")
    assert not helm("upgrade", "demo", "chart", "--reset-values", "--set", "color=blue")
    report = judge(
        cluster,
        tmp_path,
        kubectl.namespace,
        check(chart="settings-1.0.0", revision=2, values={"color": "blue"}, manifest_contains="color: blue"),
        check(secret_free="hunter2"),
        check(status="failed"),
    )
    assert outcomes(report) == "+--", report
    assert not helm("rollback", "demo", "1")
    assert outcomes(judge(cluster, tmp_path, kubectl.namespace, check(revision=3, manifest_contains="hunter2"))) == "+"
    with closing(Api(cluster.kubeconfig)) as api:
        secrets = api.items(api.resource("v1", "Secret"), kubectl.namespace, "owner=helm")
        for secret in faults.transform(secrets, "stuck_release", {"release": "demo"}):
            api.merge(secret, {"metadata": {"labels": secret["metadata"]["labels"]}, "data": secret["data"]})
    assert outcomes(judge(cluster, tmp_path, kubectl.namespace, check(status="deployed"))) == "-"
    assert "another operation" in helm("upgrade", "demo", "chart")


@pytest.mark.parametrize(
    ("use", "with_", "said"),
    [
        ("values_type", {"file": "values.yaml", "key": "replicas", "value": "two"}, "got string, want integer"),
        ("template_default", {"file": "templates/settings.yaml", "value": "log.level"}, "nil pointer"),
    ],
)
def test_a_fault_over_a_chart_shows_with_the_real_helm(
    tmp_path: Path, use: str, with_: dict[str, Any], said: str
) -> None:
    sound = {
        **CHART,
        "values.yaml": "color: red\nreplicas: 2\n",
        "values.schema.json": '{"properties": {"replicas": {"type": "integer"}}}',
        "templates/settings.yaml": 'level: {{ (.Values.log).level | default "info" }}\n',
    }
    outcome = []
    for name, files in (("sound", sound), ("broken", faults.edit(sound, use, with_))):
        write(tmp_path / name, files)
        command = [str(tools.helm()), "template", str(tmp_path / name)]
        outcome.append(subprocess.run(command, check=False, capture_output=True, timeout=60, text=True))
    assert (outcome[0].returncode, outcome[1].returncode) == (0, 1), outcome
    assert said in outcome[1].stderr


def test_files_of_the_workspace(cluster: ClusterHandle, tmp_path: Path) -> None:
    write(tmp_path, KUSTOMIZED)
    repository.make(HISTORY, tmp_path)
    settings = {"kind": "ConfigMap", "metadata": {"name": "prod-settings"}, "data": {"color": "red"}}
    marked = {"cel": "x.all(o, has(o.metadata.annotations) && 'labs.io/marked' in o.metadata.annotations)"}
    report = judge(
        cluster,
        tmp_path,
        "default",
        {"kustomize": {"folder": "prod", "object": settings, "count": 1}},
        {"kustomize": {"folder": "copied", "object": settings}},
        {"observe": {"x": {"kustomize": "prod", "marked": "base"}}, **marked},
        {"observe": {"x": {"kustomize": "copied", "marked": "base"}}, **marked},
        {"git": {"folder": "repo", "branch": "main", "clean": True, "file": "a", "matches": "none"}},
        {"git": {"folder": "repo", "lacks": "hunter2"}},
    )
    assert outcomes(report) == "+++-+-", report


def test_images_of_both_registries(cluster: ClusterHandle, tmp_path: Path) -> None:
    def check(ref: str, **more: Any) -> dict[str, Any]:
        return {"image": {"ref": ref, **more}}

    report = judge(
        cluster,
        tmp_path,
        "default",
        check("registry.lab/model-server:1.0.0", non_root=True, most_mb=2000),
        check("private.registry.lab/model-server:1.0.0", non_root=True),
        check("private.registry.lab/absent:1.0.0"),
        check("elsewhere.example/model-server:1.0.0"),
    )
    assert outcomes(report) == "++-?", report
    word = cluster.private[1].partition(":")[2]
    assert word
    assert word not in report.model_dump_json() + repr(cluster)
