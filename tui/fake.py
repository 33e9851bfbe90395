"""A gateway without a cluster: it behaves like a learner's first hour.

Shipped for tests, for the README's picture and for work on screens:

    python -m tui.fake [--absent] [--cluster NAME]

A task passes once the file `fixed` lies in its workspace (`touch fixed` in the learner's shell). Nothing here is used
by the product.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag

from grader.capabilities import Capabilities
from grader.model import Change, GuardVerdict, Outcome, Report, Verdict
from labs import shell
from labs.attempts import diagnosis
from labs.attempts.clues import Clues
from labs.attempts.diagnosis import Diagnosed
from labs.attempts.history import Stage, Story
from labs.attempts.service import Attempt, Progress
from labs.attempts.store import Recorded
from labs.course.models import Course, Fix, Scenario
from labs.errors import UsageError
from labs.events import Listener, Notice, State, Step
from labs.events import Progress as Amount
from labs.providers.base import ClusterHandle, ClusterStatus, ComponentStatus, Finding, Phase
from tui import fake_course
from tui.gateway import Overview

HELD = 60.0  # seconds
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: learner}}]
clusters: [{name: lab, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: learner, user: {}}]
"""

EVIDENCE: dict[str, tuple[str, str, list[str]]] = {
    "available": (
        'status.conditions[type=Available] is "False", reason MinimumReplicasUnavailable',
        'Available = "True"',
        ['status.conditions[1].status: observed "False", expected "True"'],
    ),
    "endpoint-ready": ("[[false]]", "at least one endpoint with `ready` true", []),
    "predicts": (
        "POST http://recommender.reco-first.svc:80/v2/models/mlp/infer: refused (connect: connection refused)",
        "200 with model_name mlp, 3 times in a row",
        ["request 1 of 3: refused", "request 2 of 3: refused", "request 3 of 3: refused"],
    ),
}


@dataclass
class FakeGateway:
    """A world that tests can shape.

    Attributes:
        cluster: Name of the cluster.
        phase: Where the cluster stands.
        folder: Where workspaces and the kubeconfig lie.
        errors: Method name → error it raises next time.
        hold: While cleared, `check` and `up` wait (a minute at most): tests look at a screen in the middle of work.
        evidence: Check id → observed, expected, mismatches.
        stopped_at: The time, or None for the real clock.
    """

    cluster: str = "lab"
    phase: Phase = Phase.READY
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="labs-fake-")))
    errors: dict[str, Exception] = field(default_factory=dict)
    hold: Flag = field(default_factory=Flag)
    evidence: dict[str, tuple[str, str, list[str]]] = field(default_factory=lambda: dict(EVIDENCE))
    stopped_at: datetime | None = None
    attempts: dict[str, Attempt] = field(default_factory=dict)
    done: dict[str, Progress] = field(default_factory=dict)
    broken_guard: bool = False
    missing: list[str] = field(default_factory=list)
    course: Course = field(default_factory=fake_course.course)
    coaching: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hold.set()

    def now(self) -> datetime:
        """Return the time."""
        return self.stopped_at or datetime.now(UTC)

    def overview(self) -> Overview:
        """Return everything."""
        self._fail("overview")
        parts = (ComponentStatus("kube-apiserver", running=True, pid=1, memory_bytes=1_020_000_000),)
        ready = self.phase is Phase.READY
        nodes = {"cpu-1": "Ready", "cpu-2": "Ready"} if ready else {}
        status = ClusterStatus(self.cluster, "engine", self.phase, "two-cpu", nodes, parts if ready else ())
        return Overview(self.course, status, dict(self.done), dict(self.attempts))

    def findings(self) -> dict[str, list[Finding]]:
        """Return one finding of each sort for the engine and a missing kind."""
        self._fail("findings")
        return {
            "engine": [
                Finding("root", "Rights", ok=True, observed="root"),
                Finding("runc", "runc", ok=True, observed="1.1.5 in /usr/sbin"),
                Finding("disk", "Free disk", ok=None, observed="9 GB", hint="20 GB leave room for every image"),
            ],
            "kind": [
                Finding("docker", "Docker", ok=False, observed="no [docker] answers", hint="apt-get install podman")
            ],
        }

    def up(self, emit: Listener) -> None:
        """Tell the story of a first start."""
        self.phase = Phase.STARTING
        emit(Step("binaries", "Finding the components", State.DONE, "9 of 9 in the cache", 0.4))
        emit(Notice("The images of the course are not built yet", hint="they are built now, once", warning=True))
        emit(Step("images", "Building the images of the course", State.RUNNING, "base"))
        emit(Amount("images", 64, 220, "seconds", 64, 220))
        self._wait()
        self._fail("up")
        emit(Step("images", "Building the images of the course", State.DONE, "4 images", 1.2))
        emit(Step("control-plane", "Starting the control plane", State.DONE, "v1.36", 2.1))
        emit(Step("nodes", "Waiting ≤ 60 s for 2 nodes to be Ready", State.DONE, "cpu-1, cpu-2", 1.9))
        self.phase = Phase.READY

    def lacking(self, scenario_id: str) -> list[str]:
        """Return what `missing` says."""
        self.scenario(scenario_id)
        return self.missing

    def scenario(self, scenario_id: str) -> Scenario:
        """Return a scenario of the sample course."""
        return next(s for s in self.course.scenarios if s.id == scenario_id)

    def start(self, scenario_id: str, emit: Listener) -> Attempt:
        """Begin or resume."""
        self._fail("start")
        emit(Step("seed", "Preparing the namespace reco-first", State.RUNNING))
        if scenario_id not in self.attempts:
            workspace = self.folder / "work" / scenario_id
            workspace.mkdir(parents=True, exist_ok=True)
            self.attempts[scenario_id] = Attempt(
                id=f"a-{scenario_id}",
                scenario=scenario_id,
                started=self.now(),
                ended=None,
                hints=(),
                solved=False,
                saw_solution=False,
                last=None,
                workspace=workspace,
            )
        return self.attempts[scenario_id]

    def current(self, scenario_id: str) -> Attempt | None:
        """Return the running attempt."""
        return self.attempts.get(scenario_id)

    def check(self, scenario_id: str, emit: Listener) -> Report:
        """Fail until the workspace holds a file named `fixed`."""
        emit(Step("grade", "Grading", State.RUNNING))
        self._wait()
        self._fail("check")
        attempt = self._running(scenario_id)
        fixed = (attempt.workspace / "fixed").exists()
        checks = [
            self._verdict(check.id, check.about, check.points, check.why, fixed=fixed)
            for check in self._checks(scenario_id)
        ]
        guard = GuardVerdict(
            about="The readiness probe stays",
            outcome=Outcome.FAILED if self.broken_guard else Outcome.PASSED,
            observed="readinessProbe is gone" if self.broken_guard else "",
            why="The probe saw what clients see. Removing it only hides the failure.",
        )
        passed = fixed and not self.broken_guard
        earned = 0 if self.broken_guard else sum(v.points for v in checks if v.outcome is Outcome.PASSED)
        report = Report(
            scenario=scenario_id,
            checks=checks,
            guards=[guard],
            points=earned,
            possible=7,
            passed=passed,
            seconds=0.8,
            notes=["waited 4 s for the rollout"],
            coaching=list(self.coaching),
            changes=list(self.changes),
            time_to_first_change=41.0 if self.changes else None,
        )
        report = diagnosis.completed(report, self.scenario(scenario_id), self._story(attempt))
        passed = report.passed
        now = self.now()
        self.attempts[scenario_id] = replace(attempt, last=report, solved=passed, ended=now if passed else None)
        if passed:
            self.done[scenario_id] = Progress(1, solved=True, best_seconds=(now - attempt.started).total_seconds())
        return report

    def clues(self, scenario_id: str) -> Clues:
        """Return what there is to point at."""
        self._running(scenario_id)
        self._fail("clues")
        return fake_course.clues()

    def answer(self, scenario_id: str, component: str | None, cause: str | None, evidence: str | None) -> Diagnosed:
        """Judge the answer as the core does."""
        self._fail("answer")
        attempt, scenario = self._running(scenario_id), self.scenario(scenario_id)
        story = self._story(attempt)
        given = diagnosis.Given(component, cause, evidence)
        said = diagnosis.judge(scenario, story, given, diagnosis.Scene(fake_course.clues()))
        story.add(Recorded(0, self.now(), "fake", scenario_id, attempt.id, "answer", said))
        found = diagnosis.diagnosed(scenario, story)
        self.attempts[scenario_id] = replace(attempt, diagnosis=found)
        return found

    def hint(self, scenario_id: str) -> tuple[str, str]:
        """Return the next hint, the last one again at the end."""
        self._fail("hint")
        attempt = self._running(scenario_id)
        levels = self.scenario(scenario_id).file.hints
        level = levels[min(len(attempt.hints), len(levels) - 1)]
        if level not in attempt.hints:
            self.attempts[scenario_id] = replace(attempt, hints=(*attempt.hints, level))
        return level, self.scenario(scenario_id).hints[level]

    def solution(self, scenario_id: str) -> Fix:
        """Return the solution."""
        self._fail("solution")
        self.attempts[scenario_id] = replace(self._running(scenario_id), saw_solution=True)
        return self.scenario(scenario_id).solution

    def reset(self, scenario_id: str, emit: Listener) -> Attempt:
        """Forget the fix."""
        emit(Step("reset", "Putting the task back", State.RUNNING))
        self._fail("reset")
        attempt = self._running(scenario_id)
        (attempt.workspace / "fixed").unlink(missing_ok=True)
        self.attempts[scenario_id] = replace(attempt, last=None)
        return self.attempts[scenario_id]

    def stop(self, scenario_id: str, emit: Listener) -> None:
        """End the attempt."""
        emit(Step("stop", "Removing the task", State.RUNNING))
        self._fail("stop")
        self.attempts.pop(scenario_id, None)
        shell.close(self.cluster, scenario_id)

    def shell(self, scenario_id: str) -> shell.Shell:
        """Open a real shell with a kubeconfig that leads nowhere."""
        self._fail("shell")
        config = self.folder / "kubeconfig"
        config.write_text(KUBECONFIG, encoding="utf-8")
        handle = ClusterHandle(self.cluster, "fake", "fake", config, Capabilities())
        return shell.open_shell(handle, self._running(scenario_id), self.scenario(scenario_id))

    def _story(self, attempt: Attempt) -> Story:
        fresh = Story(attempt.id, "fake", attempt.scenario, Stage.RUNNING, attempt.started, attempt.started)
        return self.stories.setdefault(attempt.scenario, fresh)

    def _running(self, scenario_id: str) -> Attempt:
        if scenario_id not in self.attempts:
            raise UsageError(f"the task {scenario_id} does not run", hint="start it first")
        return self.attempts[scenario_id]

    def _checks(self, scenario_id: str) -> list[Verdict]:
        checks = self.scenario(scenario_id).file.checks
        return [
            Verdict(id=c.id, kind="cel", about=c.about, points=c.points, outcome=Outcome.FAILED, why=c.why)
            for c in checks
        ]

    def _verdict(self, id_: str, about: str, points: int, why: str, *, fixed: bool) -> Verdict:
        verdict = Verdict(
            id=id_, kind="cel", about=about, points=points, outcome=Outcome.PASSED, why=why, looks=3, seconds=0.8
        )
        if id_ not in self.evidence:
            observed = "needs a GPU pool, the cluster's is none"
            return verdict.model_copy(update={"outcome": Outcome.NOT_APPLICABLE, "observed": observed})
        observed, expected, mismatches = self.evidence[id_]
        if fixed:
            return verdict.model_copy(update={"observed": expected, "expected": expected})
        failed = {"outcome": Outcome.FAILED, "observed": observed, "expected": expected, "mismatches": mismatches}
        return verdict.model_copy(update=failed)

    def _wait(self) -> None:
        self.hold.wait(HELD)

    def _fail(self, method: str) -> None:
        if method in self.errors:
            raise self.errors.pop(method)


def halfway(folder: Path) -> FakeGateway:
    """Return a world in the middle of the course, its clock stopped: the README's picture and the snapshots."""
    world = FakeGateway(folder=folder, stopped_at=NOON)
    world.done = {
        "run-as-nobody": Progress(2, solved=True, best_seconds=341.0),
        "no-endpoints": Progress(1, solved=True, best_seconds=127.0),
    }
    world.start("hangs-on-connect", lambda _event: None)
    world.stopped_at = NOON + timedelta(seconds=134)
    return world


def main() -> int:
    """Open the app on a world without a cluster."""
    from tui.app import LabsApp  # noqa: PLC0415 - the gateway is useful without the app

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--absent", action="store_true", help="begin without a cluster")
    parser.add_argument("--cluster", default="fake", help="name of the cluster that is not there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labs-fake-") as folder:
        world = FakeGateway(options.cluster, Phase.ABSENT if options.absent else Phase.READY, Path(folder))
        try:
            LabsApp(world).run()
        finally:
            shell.close(world.cluster)
    return 0


if __name__ == "__main__":
    sys.exit(main())
