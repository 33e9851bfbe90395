"""Tries every promise of a scenario on a real cluster.

Untouched it fails, solved it passes, every wrong fix fails, a reset is exact, nothing is left. It uses `Tasks` as a
learner does; a scenario that is not proved is not served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from grader.model import Outcome, Report
from labs.attempts.service import Tasks
from labs.course.models import Fix, FixFile, FixStep, Scenario
from labs.errors import LabsError, UsageError
from labs.events import Listener, State, Step, silent
from labs.prove import words
from labs.prove.outside import Outside, around
from labs.prove.report import Proof, ProveReport, Trial

GONE_WITHIN = 10.0
_WORKLOADS = "deployments,statefulsets,daemonsets,cronjobs,jobs,replicasets,pods"


def prove(
    tasks: Tasks,
    ids: Sequence[str] | None = None,
    *,
    emit: Listener = silent,
    clock: Callable[[], float] = time.monotonic,
) -> ProveReport:
    """Prove scenarios one after the other.

    Args:
        tasks: The tasks on a running cluster.
        ids: Scenarios; default: all.
        emit: Told of every trial.
        clock: Monotonic seconds.

    Raises:
        UsageError: An id is unknown, or a task among them runs: proving would take it from its learner.
    """
    chosen = [tasks.scenario(name) for name in (ids or [s.id for s in tasks.course.scenarios])]
    busy = [s.id for s in chosen if tasks.current(s.id) is not None]
    if busy:
        hint = f"labs scenarios stop {busy[0]}"
        raise UsageError(f"running tasks cannot be proved: {', '.join(busy)}", hint=hint)
    handle = tasks.handle
    report = ProveReport(handle.name, handle.provider, handle.capabilities.gpu)
    for scenario in chosen:
        proof = Proof(scenario.id, scenario.digest, skipped="; ".join(tasks.lacking(scenario.id)))
        report.proofs.append(proof)
        if proof.skipped:
            emit(Step(scenario.id, f"{scenario.id}: not applicable", State.SKIPPED, proof.skipped))
        else:
            _Trials(tasks, scenario, proof, around(handle, scenario), emit, clock).run()
    return report


class _FailedTrialError(Exception):
    """A trial went wrong; carries the sentence for the report."""


@dataclass(frozen=True, slots=True)
class _Trials:
    """The trials of one scenario, in order; those after a failed start are not tried."""

    tasks: Tasks
    scenario: Scenario
    proof: Proof
    outside: Outside
    emit: Listener
    clock: Callable[[], float]

    @property
    def id(self) -> str:
        return self.scenario.id

    def run(self) -> None:
        with self._trial("start"):
            self.outside.begin()
            with self.outside.acting(words.nodes_of_start(self.scenario)):
                self.tasks.start(self.id, emit=self.emit)
        if not self.proof.trials[-1].ok:
            return
        try:
            self._judge()
        finally:
            with self._trial("stop"):
                self.tasks.stop(self.id)
        with self._trial("leftovers") as said:
            left = self._left()
            if left:
                raise _FailedTrialError(f"different from before: {', '.join(left[:5])}")
            said.append("nothing is left")

    def _judge(self) -> None:
        with self._trial("untouched") as said:
            said.append(_untouched(self.scenario, self._check()))
        with self._trial("solution") as said:
            self._apply(self.scenario.solution)
            said.append(_solved(self._check()))
        self._reset("solution")
        for fix in (*self.scenario.wrong, *_automatic(self.scenario)):
            with self._trial(f"wrong {fix.id}") as said:
                self._apply(fix)
                said.append(_caught(self._check(stop_early=True)))
            self._reset(fix.id)

    def _check(self, *, stop_early: bool = False) -> Report:
        with self.outside.acting(words.nodes_of_checks(self.scenario)):
            return self.tasks.check(self.id, stop_early=stop_early)

    def _apply(self, fix: Fix) -> None:
        with self.outside.acting(words.nodes_of_fix(fix)):
            self.tasks.apply_fix(self.id, fix)

    def _left(self) -> list[str]:
        """Return what is left; volumes that a provisioner takes away by itself are given a moment."""
        deadline = self.clock() + GONE_WITHIN
        while (left := self.outside.left()) and self.clock() < deadline:
            time.sleep(0.5)
        return left

    def _reset(self, after: str) -> None:
        with self._trial(f"reset after {after}"):
            self.tasks.reset(self.id)
        with self._trial(f"exact after {after}") as said:
            different = [key for key in self.tasks.differences(self.id) if not self.outside.is_anothers(key)]
            if different:
                raise _FailedTrialError(f"not as at the start: {', '.join(different[:5])}")
            said.append("equal to the baseline")

    @contextmanager
    def _trial(self, name: str) -> Iterator[list[str]]:
        """Record one trial: whatever is wrong becomes its detail, and the next trial goes on."""
        said: list[str] = []
        key, title = f"{self.id}/{name}", f"{self.id}: {name}"
        self.emit(Step(key, title, State.RUNNING))
        begin = self.clock()
        ok = True
        try:
            yield said
        except _FailedTrialError as error:
            ok, said = False, [str(error)]
        except LabsError as error:
            ok, said = False, [f"{error}" + (f" (hint: {error.hint})" if error.hint else "")]
        trial = Trial(name, ok, "; ".join(said), round(self.clock() - begin, 3))
        self.proof.trials.append(trial)
        self.emit(Step(key, title, State.DONE if ok else State.FAILED, trial.detail, trial.seconds))


def _untouched(scenario: Scenario, report: Report) -> str:
    said = {v.id: v for v in report.checks}
    wrong = []
    for check in scenario.file.checks:
        wanted = Outcome.PASSED if check.untouched == "passes" else Outcome.FAILED
        found = said[check.id]
        if found.outcome not in {wanted, Outcome.NOT_APPLICABLE}:
            wrong.append(f"`{check.id}` is {found.outcome.value}, it should be {wanted.value} ({found.observed})")
    wrong += [f"guard broken: {g.about} ({g.observed})" for g in report.guards if g.outcome is not Outcome.PASSED]
    if report.passed or wrong:
        raise _FailedTrialError("; ".join(wrong) or "the untouched task passes")
    failing = sum(v.outcome is Outcome.FAILED for v in report.checks)
    return f"{failing} of {len(report.checks)} checks fail, as they should"


def _solved(report: Report) -> str:
    if report.passed and report.points == report.possible:
        return f"{report.points} of {report.possible} points"
    bad = [f"`{v.id}` is {v.outcome.value}: {v.observed}" for v in report.checks if v.outcome is not Outcome.PASSED]
    bad += [
        f"guard {g.outcome.value}: {g.about} ({g.observed})" for g in report.guards if g.outcome is not Outcome.PASSED
    ]
    raise _FailedTrialError("; ".join(bad) or "it does not pass")


def _caught(report: Report) -> str:
    if report.passed:
        raise _FailedTrialError("this wrong fix passes")
    guards = [f"guard: {g.about}" for g in report.broken_guards]
    checks = [f"check `{v.id}`" for v in report.checks if v.outcome is Outcome.FAILED]
    if not guards and not checks:
        unknown = [f"`{v.id}`: {v.observed}" for v in report.checks if v.outcome is Outcome.UNKNOWN]
        raise _FailedTrialError(f"nothing catches it, though it does not pass: {'; '.join(unknown)}")
    return f"caught by {', '.join([*guards, *checks])}"


def _automatic(scenario: Scenario) -> Iterator[Fix]:
    """Wrong fixes that no scenario may take for right: no workload at all, and none that runs."""
    tries = {
        "delete-the-workloads": ("delete", _WORKLOADS, "--all", "--wait=false", "--grace-period=1"),
        "scale-to-zero": ("scale", "deployments,statefulsets", "--all", "--replicas=0"),
    }
    for name, typed in tries.items():
        steps = tuple(
            FixStep(say=f"{typed[0]} everything in {space}", kubectl=("-n", space, *typed), expect="any")
            for space in scenario.file.namespaces
        )
        yield Fix(id=name, folder=scenario.folder, file=FixFile(about="Automatic.", steps=steps))
