"""Coaching on the learner's files: what is right in them and has not reached the cluster, a release, a commit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grader.cluster import Repository
from grader.fake_cluster import FakeCluster, Inside
from grader.model import Check, Json, Outcome, Report, Verdict
from labs.attempts.naming import Named
from labs.coaching.audit import Write
from labs.coaching.faulty import Fault
from labs.coaching.nearmiss import Manifest, View
from labs.coaching.unused import Mine, unused
from labs.course.load import load_course
from tests.unit.course_sample import write_course

AT = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Named("Deployment", "web", "shop")
FAULT = Fault(WEB, "spec.replicas", 2, 0)
HELM = {"helm": {"release": "web", "values": {"replicas": 2}}}
GIT = {"git": {"folder": "repo", "file": "app.yaml", "matches": "^replicas: 2$"}}
CHART = {"chart/Chart.yaml": "{name: web}", "chart/templates/web.yaml": "replicas: 0\n", "values-prod.yaml": "a: b\n"}


def web(replicas: int) -> Json:
    return {"kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": replicas}}


class Attempt:
    """A failed attempt: its files as they were and as they are, one failed check, what was written."""

    def __init__(self, root: Path, check: dict[str, Any], shipped: dict[str, str]) -> None:
        course = write_course(root / "course", {f"3-services/no-answer/workspace/{n}": t for n, t in shipped.items()})
        (scenario,) = load_course(course).scenarios
        checks = (Check.model_validate({"id": "c", "about": "x", **check}),)
        self.scenario = scenario.model_copy(update={"file": scenario.file.model_copy(update={"checks": checks})})
        self.folder = root / "mine"
        self.cluster = FakeCluster([])
        self.view = View(AT, ("shop",), [], [FAULT], [web(0)])
        self.shipped: list[Manifest] = []
        self.logged = True
        for name, text in shipped.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def wrote(self, verb: str, named: Named) -> None:
        self.view.writes.append(Write(AT, verb, named))

    def said(self, outcome: Outcome = Outcome.FAILED) -> list[str]:
        verdict = Verdict(id="c", kind="cel", about="x", points=1, outcome=outcome)
        report = Report(scenario="no-answer", checks=[verdict], guards=[], points=0, possible=1, passed=False)
        mine = Mine(self.scenario, report, self.folder, self.view, self.shipped, self.logged)
        return unused(mine, self.cluster)


def test_a_mended_manifest_that_nothing_applied(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, {"cel": "true"}, {})
    attempt.shipped, attempt.view.manifests = [Manifest("web.yaml", web(0))], [Manifest("web.yaml", web(2))]
    (said,) = attempt.said()
    assert said.startswith("web.yaml is changed in `spec.replicas`, but the running Deployment/web is as it was")
    attempt.view.manifests = [Manifest("web.yaml", web(0))]
    assert attempt.said() == []
    attempt.view.manifests, attempt.shipped = [Manifest("web.yaml", web(2))], []  # it never had the fault
    assert attempt.said() == []
    attempt.shipped, attempt.view.live = [Manifest("web.yaml", web(0))], [web(2)]
    assert attempt.said() == []


def test_what_was_applied_and_is_still_broken_is_another_matter(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, {"cel": "true"}, {})
    attempt.shipped, attempt.view.manifests = [Manifest("web.yaml", web(0))], [Manifest("web.yaml", web(2))]
    attempt.wrote("patch", WEB)
    assert attempt.said() == []


@pytest.mark.parametrize("name", ["chart/templates/web.yaml", "values-prod.yaml"])
def test_a_changed_chart_of_which_no_release_was_made(tmp_path: Path, name: str) -> None:
    attempt = Attempt(tmp_path, HELM, CHART)
    assert attempt.said() == []
    attempt.write(name, "replicas: 2\n")
    assert attempt.said() == [f"you changed {name}, and the release `web` was not upgraded since: it does not have it"]
    assert attempt.said(Outcome.PASSED) == []
    attempt.logged = False  # an upgrade would have left no trace
    assert attempt.said() == []
    attempt.logged = True
    attempt.wrote("create", Named("Secret", "sh.helm.release.v1.web.v2", "shop"))
    assert attempt.said() == []


def test_a_file_that_is_not_committed(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, GIT, {})
    old = Repository("main", ("app.yaml",), "Add", "replicas: 0\n", (), ())
    attempt.cluster = FakeCluster([], inside=Inside(repositories={"repo": old}))
    assert attempt.said() == []
    attempt.write("repo/app.yaml", "replicas: 2\n")
    (said,) = attempt.said()
    assert said.startswith("repo/app.yaml is changed and not committed")
    attempt.cluster = FakeCluster([], inside=Inside(repositories={"repo": "there is no Git repository in `repo`"}))
    assert attempt.said() == []


def test_nothing_outside_the_workspace_is_read(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, GIT, {})
    old = Repository("main", ("app.yaml",), "Add", "", (), ())
    attempt.cluster = FakeCluster([], inside=Inside(repositories={"repo": old}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "app.yaml").write_text("replicas: 2\n")
    attempt.folder.mkdir()
    (attempt.folder / "repo").symlink_to(tmp_path / "other")
    assert attempt.said() == []
