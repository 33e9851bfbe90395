"""What a report of the grader says about a promise of a scenario: untouched, solved, caught. Pure; `trials.py` asks.

Each function returns the sentence for the report of the gate, or raises `FailedTrialError` with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from grader.model import Outcome, Report
from labs.course.models import Fix, FixFile, FixStep, Scenario

_WORKLOADS = "deployments,statefulsets,daemonsets,cronjobs,jobs,replicasets,pods"


class FailedTrialError(Exception):
    """A trial went wrong; carries the sentence for the report."""


def untouched(scenario: Scenario, report: Report) -> str:
    """Judge the task as it was started: each check says what it must, and no guard is broken."""
    said = {v.id: v for v in report.checks}
    wrong = []
    for check in scenario.file.checks:
        wanted = Outcome.PASSED if check.untouched == "passes" else Outcome.FAILED
        found = said[check.id]
        if found.outcome not in {wanted, Outcome.NOT_APPLICABLE}:
            wrong.append(f"`{check.id}` is {found.outcome.value}, it should be {wanted.value} ({found.observed})")
    wrong += [f"guard broken: {g.about} ({g.observed})" for g in report.guards if g.outcome is not Outcome.PASSED]
    if report.passed or wrong:
        raise FailedTrialError("; ".join(wrong) or "the untouched task passes")
    failing = sum(v.outcome is Outcome.FAILED for v in report.checks)
    return f"{failing} of {len(report.checks)} checks fail, as they should"


def solved(report: Report) -> str:
    """Judge the task after its solution: all points."""
    if report.passed and report.points == report.possible:
        return f"{report.points} of {report.possible} points"
    bad = [f"`{v.id}` is {v.outcome.value}: {v.observed}" for v in report.checks if v.outcome is not Outcome.PASSED]
    bad += [
        f"guard {g.outcome.value}: {g.about} ({g.observed})" for g in report.guards if g.outcome is not Outcome.PASSED
    ]
    raise FailedTrialError("; ".join(bad) or "it does not pass")


def caught(report: Report, *, what: str = "this wrong fix") -> str:
    """Judge the task after something that must not pass: a check or a guard says so."""
    if report.passed:
        raise FailedTrialError(f"{what} passes")
    guards = [f"guard: {g.about}" for g in report.broken_guards]
    checks = [f"check `{v.id}`" for v in report.checks if v.outcome is Outcome.FAILED]
    if not guards and not checks:
        unknown = [f"`{v.id}`: {v.observed}" for v in report.checks if v.outcome is Outcome.UNKNOWN]
        raise FailedTrialError(f"nothing catches it, though it does not pass: {'; '.join(unknown)}")
    return f"caught by {', '.join([*guards, *checks])}"


def automatic(scenario: Scenario) -> Iterator[Fix]:
    """Yield wrong fixes that no scenario may take for right: no workload at all, and none that runs."""
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
