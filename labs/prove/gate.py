"""Tries every promise of a scenario on a real cluster.

Untouched it fails, solved it passes, every wrong fix fails, a reset is exact, nothing is left. It uses `Tasks` as a
learner does; a scenario that is not proved is not served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from grader.model import Json, Outcome, Report
from labs.attempts.service import Tasks
from labs.course.models import Fix, FixFile, FixStep, Scenario
from labs.errors import LabsError, UsageError
from labs.events import Listener, State, Step, silent
from labs.inject import snapshot
from labs.inject.api import Api
from labs.inject.manifests import SCENARIO_LABEL
from labs.prove.report import Proof, ProveReport, Trial

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
            _Trials(tasks, scenario, proof, emit, clock).run()
    return report


class _FailedTrialError(Exception):
    """A trial went wrong; carries the sentence for the report."""


@dataclass(frozen=True, slots=True)
class _Trials:
    """The trials of one scenario, in order; those after a failed start are not tried."""

    tasks: Tasks
    scenario: Scenario
    proof: Proof
    emit: Listener
    clock: Callable[[], float]

    @property
    def id(self) -> str:
        return self.scenario.id

    def run(self) -> None:
        before = self._outside()
        with self._trial("start"):
            self.tasks.start(self.id, emit=self.emit)
        if not self.proof.trials[-1].ok:
            return
        try:
            self._judge()
        finally:
            with self._trial("stop"):
                self.tasks.stop(self.id)
        with self._trial("leftovers") as said:
            left = _changes(before, self._outside())
            if left:
                raise _FailedTrialError(f"different from before: {', '.join(left[:5])}")
            said.append("nothing is left")

    def _judge(self) -> None:
        with self._trial("untouched") as said:
            said.append(_untouched(self.scenario, self.tasks.check(self.id)))
        with self._trial("solution") as said:
            self.tasks.apply_fix(self.id, self.scenario.solution)
            said.append(_solved(self.tasks.check(self.id)))
        self._reset("solution")
        for fix in (*self.scenario.wrong, *_automatic(self.scenario)):
            with self._trial(f"wrong {fix.id}") as said:
                self.tasks.apply_fix(self.id, fix)
                said.append(_caught(self.tasks.check(self.id, stop_early=True)))
            self._reset(fix.id)

    def _reset(self, after: str) -> None:
        with self._trial(f"reset after {after}"):
            self.tasks.reset(self.id)
        with self._trial(f"exact after {after}") as said:
            different = self.tasks.differences(self.id)
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

    def _anothers(self, obj: Json) -> bool:
        """Whether an object belongs to another task, which may come and go while this one is proved."""
        return bool((obj["metadata"].get("labels") or {}).get(SCENARIO_LABEL, self.id) != self.id)

    def _outside(self) -> dict[str, str]:
        """Return what must be the same before and after: namespaces, cluster-scoped objects, settings of nodes."""
        api = Api(self.tasks.handle.kubeconfig)
        try:
            spaces = [n for n in api.items(api.resource("v1", "Namespace")) if not self._anothers(n)]
            nodes = snapshot.build(api.items(api.resource("v1", "Node")))
            result = {f"Namespace {n['metadata']['name']}": "" for n in spaces}
            result.update({snapshot.key_text(o): "" for o in snapshot.cluster_scoped(api) if not self._anothers(o)})
            result["labels, taints or cordons of nodes"] = nodes.text()
            return result
        finally:
            api.close()


def _changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(k for k in {*before, *after} if before.get(k) != after.get(k))


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
    for name, words in tries.items():
        steps = tuple(
            FixStep(say=f"{words[0]} everything in {space}", kubectl=("-n", space, *words), expect="any")
            for space in scenario.file.namespaces
        )
        yield Fix(id=name, folder=scenario.folder, file=FixFile(about="Automatic.", steps=steps))
