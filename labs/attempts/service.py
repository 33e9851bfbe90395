"""What a learner can do with a task. `cli.py` and `tui/` call this and nothing below it.

tasks = Tasks(handle)                 one per cluster
started = tasks.start("model-not-found", emit=...)
report = tasks.check("model-not-found")

It turns calls into events of `store.py` and steps of `seeding.py`; it knows neither SQL nor the API server.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import GraderError
from grader.model import Outcome, Report, Verdict
from labs import coaching, paths, tools
from labs.attempts import clues, diagnosis, fixes, history, outage, seeding, vanished, workspace
from labs.attempts.clues import Clues, Line, field_lines
from labs.attempts.diagnosis import Diagnosed
from labs.attempts.history import Stage, Story
from labs.attempts.store import Store, utc_now
from labs.course.load import load_course
from labs.course.models import Course, Fix, Scenario, StepAnswer
from labs.errors import ClusterError, UsageError
from labs.events import Listener, State, Step, silent
from labs.inject import guard, manifests, symptoms
from labs.inject.api import Api
from labs.providers.base import ClusterHandle

if TYPE_CHECKING:
    from grader.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a scenario on one cluster, as the event log tells it.

    Attributes:
        id: Random id.
        scenario: Scenario id.
        started: When the task was ready to work on (UTC).
        ended: When it was stopped or passed, or None while it runs.
        hints: Levels taken, in order.
        solved: Whether a grading has passed.
        saw_solution: Whether the solution was shown or applied.
        last: The last report, or None.
        workspace: Folder with the task's files for the learner.
        diagnosis: The diagnosis as it stands, of a task that asks for one.
    """

    id: str
    scenario: str
    started: datetime
    ended: datetime | None
    hints: tuple[str, ...]
    solved: bool
    saw_solution: bool
    last: Report | None
    workspace: Path
    diagnosis: Diagnosed | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done with a scenario so far.

    Attributes:
        attempts: Number of attempts that were ready to work on.
        solved: Whether one passed before its solution was seen.
        best_seconds: Shortest time from start to such a pass, or None.
        best_detect_seconds: Shortest time from start to the right component and cause, or None.
    """

    attempts: int
    solved: bool
    best_seconds: float | None
    best_detect_seconds: float | None = None


class Tasks:
    """The tasks on one cluster.

    Args:
        handle: The running cluster; None gives a service that can only read (course, progress).
        course: The course; default: loaded from `paths.scenarios_dir()`.
        store: SQLite file; default: `paths.state_dir() / "attempts.db"`.
        clock: Time of the events (UTC).

    Raises (all methods): `UsageError` for an unknown scenario or one that is not started, `ClusterError` when the
    cluster does not answer, `NotOursError` when the cluster or a namespace is not ours.
    """

    def __init__(
        self,
        handle: ClusterHandle | None,
        *,
        course: Course | None = None,
        store: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._handle = handle
        self._course = course
        self._store = Store(store or paths.state_dir() / "attempts.db", clock=clock)
        if handle is not None:
            vanished.forget(self._store, handle)

    @property
    def handle(self) -> ClusterHandle:
        """The cluster; raises `ClusterError` for a service that can only read."""
        if self._handle is None:
            raise ClusterError("no cluster runs", hint="`labs up` brings one up")
        return self._handle

    @property
    def course(self) -> Course:
        """The course."""
        if self._course is None:
            self._course = load_course()
        return self._course

    def scenario(self, scenario_id: str) -> Scenario:
        """Return a scenario; an unknown id raises `UsageError` that names the nearest ones."""
        known = {scenario.id: scenario for scenario in self.course.scenarios}
        if scenario_id in known:
            return known[scenario_id]
        near = difflib.get_close_matches(scenario_id, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`labs scenarios list` shows them all"
        raise UsageError(f"there is no scenario `{scenario_id}`", hint=hint)

    def lacking(self, scenario_id: str) -> list[str]:
        """Return what the cluster lacks for the scenario, empty when it can run."""
        scenario = self.scenario(scenario_id)
        return scenario.file.requires.missing(self._handle.capabilities) if self._handle else []

    def start(self, scenario_id: str, *, emit: Listener = silent) -> Attempt:
        """Seed the task: have its tools, guard the baseline, apply setup and faults, record the snapshot.

        A running attempt is resumed, not begun again.
        """
        lacking = self.lacking(scenario_id)
        if lacking:
            raise UsageError(
                f"the task {scenario_id} cannot run here: {'; '.join(lacking)}", hint="`labs scenarios list`"
            )
        tools.provide(self.scenario(scenario_id).file.requires.tools, emit)
        with self._bench(scenario_id, emit) as bench, bench.lock():
            story = seeding.mend(bench)
            if story is None:
                seeding.start(bench)
            elif gone := seeding.missing(bench):
                raise ClusterError(
                    f"the task runs, but its namespace {', '.join(gone)} is gone",
                    where=scenario_id,
                    hint=f"labs scenarios reset {scenario_id}",
                )
        return self._running(scenario_id)

    def current(self, scenario_id: str) -> Attempt | None:
        """Return the attempt that runs, or None."""
        scenario = self.scenario(scenario_id)
        story = self._open(scenario.id)
        return self._attempt(story) if story else None

    def running(self) -> list[Attempt]:
        """Return all attempts that run on this cluster."""
        if self._handle is None:
            return []
        known = {scenario.id for scenario in self.course.scenarios}
        stories = history.stories(self._store.events(self._handle.id)).values()
        return [self._attempt(s) for s in stories if s.stage in _AT_WORK and s.scenario in known]

    def check(
        self, scenario_id: str, *, settle: float | None = None, stop_early: bool = False, emit: Listener = silent
    ) -> Report:
        """Grade the task and record the report.

        `settle`: seconds to wait at most while things move (default: the scenario's). `stop_early`: end at the first
        certain failure, for whoever only wants to know that the task is not solved.
        """
        scenario = self.scenario(scenario_id)
        story = self._started(scenario_id)
        seconds = scenario.file.settle_seconds if settle is None else settle
        if not stop_early:
            self.observe(scenario_id)
        report = self._grade(scenario, story, seconds, emit, stop_early=stop_early, coached=not stop_early)
        self._note(story, "check", report.model_dump(mode="json"))
        return report

    def answer(
        self,
        scenario_id: str,
        *,
        component: str | None = None,
        cause: str | None = None,
        evidence: str | None = None,
    ) -> Diagnosed:
        """Answer a `diagnose` scenario, or change the answer; what is left out stays as it was answered before.

        Args:
            scenario_id: The task.
            component: The object at fault, as `kubectl` or a person writes it.
            cause: Id, number or words of one of `diagnosis.options`.
            evidence: A line of the cluster: an event's message, a line of a log, a field.

        Raises:
            UsageError: The task asks for no diagnosis, or a part cannot be read.
            ClusterError: Not all could be looked at, and what could be does not decide it. Nothing is recorded.
        """
        given = diagnosis.Given(component, cause, evidence)
        diagnosis.asked(self.scenario(scenario_id))
        self._answer(self.scenario(scenario_id), given, self.clues(scenario_id))
        return diagnosis.diagnosed(self.scenario(scenario_id), self._started(scenario_id))

    def clues(self, scenario_id: str) -> Clues:
        """Return what a learner may point at right now: events, lines of logs, fields, and the objects to name."""
        scenario, story = self.scenario(scenario_id), self._started(scenario_id)
        cluster = self._look(scenario)
        try:
            found = clues.gather(cluster, scenario.file.namespaces, manifests.kinds(scenario))
        finally:
            cluster.close()
        if scenario.file.diagnosis is not None and (fresh := diagnosis.seen(scenario, story, found)):
            self._note(story, "seen", {"lines": [line.to_json() for line in fresh]})
        return found

    def observe(self, scenario_id: str) -> None:
        """Remember the lines that prove the cause of a `diagnose` scenario: a repair takes them away."""
        if self.scenario(scenario_id).file.diagnosis is not None:
            self.clues(scenario_id)

    def hint(self, scenario_id: str) -> tuple[str, str]:
        """Take the next hint; return its level and text. The last is returned again when all are taken."""
        scenario = self.scenario(scenario_id)
        story = self._started(scenario_id)
        levels = scenario.file.hints
        if not levels:
            raise UsageError(f"the task {scenario_id} has no hints", hint=f"labs scenarios solution {scenario_id}")
        level = next((name for name in levels if name not in story.hints), levels[-1])
        self._note(story, "hint", {"level": level})
        text = scenario.hints.get(level, "")
        return level, text + self._fresh_look(scenario, story) if level == "live" else text

    def solution(self, scenario_id: str) -> Fix:
        """Return the solution and record that it was seen."""
        scenario = self.scenario(scenario_id)
        story = self._open(scenario_id)
        if story is not None:
            self._note(story, "solution")
        return scenario.solution

    def apply_fix(self, scenario_id: str, fix: Fix, *, emit: Listener = silent) -> None:
        """Do what a fix says, step by step (demo, prove, `solution --apply`)."""
        story = self._started(scenario_id)
        handle = self.handle
        if fix.id == "solution":
            self._note(story, "solution")
        self._note(story, "fix", {"id": fix.id})
        fixes.apply_fix(
            handle,
            workspace.folder(handle.name, scenario_id),
            fix,
            answer=lambda said: self._answer_live(scenario_id, said),
            emit=emit,
        )

    def reset(self, scenario_id: str, *, emit: Listener = silent) -> Attempt:
        """Put the task back to its broken start, exactly, and touch no other task. The clock goes on."""
        with self._bench(scenario_id, emit) as bench, bench.lock():
            found = bench.story()
            if found is not None and found.stage in _AT_WORK:
                seeding.reset(bench, found)
            else:
                seeding.mend(bench)
        return self._running(scenario_id)

    def stop(self, scenario_id: str, *, emit: Listener = silent) -> None:
        """End the attempt and remove all that the task brought; foreign objects it changed are restored."""
        with self._bench(scenario_id, emit) as bench, bench.lock():
            story = bench.story()
            if story is None:
                raise self._not_started(scenario_id)
            seeding.stop(bench, story)

    def differences(self, scenario_id: str, *, emit: Listener = silent) -> list[str]:
        """Return what of a running task is not as it was at its start; empty right after a reset (prove)."""
        with self._bench(scenario_id, emit) as bench:
            return seeding.differences(bench)

    def await_faults(self, scenario_id: str) -> list[str]:
        """Wait until the task is broken as a learner finds it, timed faults too; return what does not show (prove)."""
        with self._bench(scenario_id, silent) as bench:
            return symptoms.wait_broken(bench.api, bench.scenario)

    def await_started(self, scenario_id: str) -> None:
        """Wait for the pods that a start or a reset has just made, as a learner would without knowing (prove)."""
        with self._bench(scenario_id, silent) as bench:
            symptoms.wait_started(bench.api, bench.namespaces)

    def lost(self) -> str:
        """Return why nothing can be asked any more: no answer, or another cluster; empty while ours answers."""
        try:
            api = Api(self.handle.kubeconfig)
            try:
                guard.own_cluster(api, self.handle)
            finally:
                api.close()
        except ClusterError as error:
            return str(error)
        return ""

    def progress(self) -> dict[str, Progress]:
        """Return scenario id → progress over all clusters."""
        result: dict[str, Progress] = {}
        for story in history.stories(self._store.events()).values():
            if story.started is None:
                continue
            before = result.get(story.scenario, Progress(0, solved=False, best_seconds=None))
            result[story.scenario] = Progress(
                before.attempts + 1,
                solved=before.solved or story.by_oneself,
                best_seconds=_least(before.best_seconds, story.seconds if story.by_oneself else None),
                best_detect_seconds=_least(before.best_detect_seconds, story.seconds_to_detect),
            )
        return result

    # --- below: nothing a caller needs
    # ---------------------------------------------------------------------------------

    def _answer(self, scenario: Scenario, given: diagnosis.Given, now: Clues) -> None:
        story = self._started(scenario.id)
        before = [Line.from_json(line) for line in story.seen]
        ready = self._store.latest(story.id, ("ready",))
        before += [
            line for obj in (ready.data["objects"]["objects"].values() if ready else ()) for line in field_lines(obj)
        ]
        self._note(story, "answer", diagnosis.judge(scenario, story, given, diagnosis.Scene(now, before)))

    def _answer_live(self, scenario_id: str, said: StepAnswer) -> None:
        """Answer for a fix: wait until the line is there, and give it whole."""
        deadline = time.monotonic() + EVIDENCE_WITHIN
        while True:
            now = self.clues(scenario_id)
            line = diagnosis.first_with(said.evidence, now)
            if line is not None or time.monotonic() >= deadline:
                break
            time.sleep(0.5)
        if line is None:
            hint = f"looked at {', '.join(now.looked)}"
            raise ClusterError(f"no line contains `{said.evidence}`", where=scenario_id, hint=hint)
        given = diagnosis.Given(said.component, said.cause, line.text)
        self._answer(self.scenario(scenario_id), given, now)

    @contextmanager
    def _bench(self, scenario_id: str, emit: Listener) -> Iterator[seeding.Bench]:
        scenario, handle = self.scenario(scenario_id), self.handle
        outage.mend(handle, emit)
        api = Api(handle.kubeconfig)
        try:
            yield seeding.Bench(handle, api, lambda: self._look(scenario), self._store, scenario, emit)
        finally:
            api.close()

    def _look(self, scenario: Scenario) -> Cluster:
        from grader.live import LiveCluster  # noqa: PLC0415 - its Kubernetes client takes 0.4 s to load; reading needs none

        handle = self.handle
        try:
            folder = workspace.folder(handle.name, scenario.id)
            return LiveCluster(
                handle.kubeconfig,
                workspace=folder,
                kubectl=tools.kubectl,
                registry=handle.registry,
                private=handle.private,
                machines=outage.Power(handle),
            )
        except GraderError as error:
            raise ClusterError(error.message, hint=error.hint or "`labs status` tells what runs") from None

    def _grade(
        self,
        scenario: Scenario,
        story: Story,
        settle: float,
        emit: Listener,
        *,
        stop_early: bool = False,
        coached: bool = False,
    ) -> Report:
        from grader.runner import grade  # noqa: PLC0415 - as in `_look`

        outage.mend(self.handle, emit)
        cluster = self._look(scenario)
        emit(Step("grade", "Grading", State.RUNNING))
        state, said = State.FAILED, ""
        try:
            report = grade(
                scenario.id,
                scenario.file.checks,
                scenario.file.guards,
                cluster,
                has=self.handle.capabilities,
                requires=scenario.file.requires,
                namespaces=scenario.file.namespaces,
                baseline=seeding.guards_baseline(self._store, story.id),
                settle=settle,
                stop_at_first_definite=stop_early,
                on_progress=lambda said: emit(Step("grade", "Grading", State.RUNNING, said)),
            )
            report = diagnosis.completed(report, scenario, story)
            if coached:
                report = self._coached(report, scenario, story, cluster)
            passed = sum(verdict.outcome is Outcome.PASSED for verdict in report.checks)
            state, said = State.DONE, f"{passed} of {len(report.checks)} checks passed"
        finally:
            emit(Step("grade", "Grading", state, said))
            cluster.close()
        return report

    def _coached(self, report: Report, scenario: Scenario, story: Story, cluster: Cluster) -> Report:
        busy = {ns for a in self.running() for ns in self.scenario(a.scenario).file.namespaces}
        task = coaching.Task(
            scenario,
            started=story.started or story.began,
            since=story.since,
            log=self.handle.audit,
            workspace=workspace.folder(self.handle.name, scenario.id),
            busy=frozenset(busy),
        )
        try:
            return coaching.coach(report, task, cluster)
        except Exception:  # noqa: BLE001 - beside the verdict: a defect of the coach must never cost a learner the verdict
            return report

    def _fresh_look(self, scenario: Scenario, story: Story) -> str:
        """Return the first thing that fails right now, for the live hint."""
        report = self._grade(scenario, story, 0.0, silent)
        failing = next((v for v in report.checks if v.outcome is Outcome.FAILED), None)
        if failing is None:
            said = "Nothing fails at this moment." if not report.unknown else "The cluster could not be asked just now."
            return f"\n\n{said}"
        return f"\n\n{_evidence(failing)}"

    def _open(self, scenario_id: str) -> Story | None:
        if self._handle is None:
            return None
        story = history.open_story(self._store.events(self._handle.id, scenario_id))
        return story if story and story.stage in _AT_WORK else None

    def _started(self, scenario_id: str) -> Story:
        _ = self.handle
        story = self._open(self.scenario(scenario_id).id)
        if story is None:
            raise self._not_started(scenario_id)
        return story

    def _not_started(self, scenario_id: str) -> UsageError:
        return UsageError(f"the task {scenario_id} is not started", hint=f"labs scenarios start {scenario_id}")

    def _running(self, scenario_id: str) -> Attempt:
        return self._attempt(self._started(scenario_id))

    def _note(self, story: Story, kind: str, data: dict[str, object] | None = None) -> None:
        self._store.append(story.cluster, story.scenario, story.id, kind, data)

    def _attempt(self, story: Story) -> Attempt:
        return Attempt(
            id=story.id,
            scenario=story.scenario,
            started=story.started or story.began,
            ended=story.passed or story.stopped,
            hints=tuple(story.hints),
            solved=story.passed is not None,
            saw_solution=story.saw_solution is not None,
            last=story.last,
            workspace=workspace.folder(self.handle.name, story.scenario),
            diagnosis=diagnosis.standing(self.scenario(story.scenario), story),
        )


EVIDENCE_WITHIN = 40.0  # seconds until a fix must find the line it answers
_AT_WORK = frozenset({Stage.RUNNING, Stage.RESETTING})


def _least(*seconds: float | None) -> float | None:
    return min((s for s in seconds if s is not None), default=None)


def _evidence(verdict: Verdict) -> str:
    told = {"observed": verdict.observed, "expected": verdict.expected}
    lines = [f"Right now this fails: {verdict.about}", *(f"  {k}: {text}" for k, text in told.items() if text)]
    return "\n".join([*lines, *(f"  {line}" for line in verdict.mismatches[:3])])
