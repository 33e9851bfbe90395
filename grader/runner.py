"""Grades a task: `grader.looking` finds the verdict of every check, the guards are judged, and the report is written.

Called by `labs.attempts`; anything with a `Cluster` can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from grader import guards as guarding
from grader.capabilities import Capabilities, Requires
from grader.checks.sustained import Clock
from grader.cluster import Cluster
from grader.definite import reads_only_what_is_written
from grader.finding import Finding
from grader.guards import Baseline
from grader.looking import Grading, questions_of
from grader.model import Check, Guard, GuardVerdict, Outcome, Report, Verdict
from grader.track import Track

WORKERS = 12


class SystemClock:
    """The time of this machine."""

    def monotonic(self) -> float:
        """Return seconds from any fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def grade(
    scenario_id: str,
    checks: Sequence[Check],
    guards: Sequence[Guard],
    cluster: Cluster,
    *,
    has: Capabilities,
    requires: Requires,
    namespaces: Sequence[str],
    baseline: Baseline | None,
    settle: float = 30.0,
    stop_at_first_definite: bool = False,
    clock: Clock | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Report:
    """Grade one task. Never raises for anything that is in or about the cluster.

    Args:
        scenario_id: Goes into the report.
        checks: In the order of the scenario.
        guards: In the order of the scenario.
        cluster: Whom to ask; it is not closed.
        has: What the cluster offers.
        requires: What the scenario needs; what lacks makes every check not applicable.
        namespaces: The scenario's; the first is the default of `http`.
        baseline: What `grader.guards.capture` recorded when the task began.
        settle: Seconds to wait at most while things are in motion.
        stop_at_first_definite: Whether to end as soon as a guard is broken or a check fails for a cause that only the
            learner can change. For the prove gate: that a wrong fix fails is then known sooner, and the verdicts of
            the other checks may not be final.
        clock: Time, for tests.
        on_progress: Told what is waited for.
    """
    time_source = clock or SystemClock()
    begin = time_source.monotonic()
    lacking = requires.missing(has)
    if lacking:
        return _not_applicable(scenario_id, checks, has, lacking)
    spaces = tuple(namespaces)
    tracks = tuple(_track(check, spaces) for check in checks)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="grade") as pool:
        grading = Grading(
            cluster=cluster,
            namespaces=spaces,
            tracks=tracks,
            guards=tuple(guards),
            baseline=baseline,
            settle=settle,
            clock=time_source,
            say=on_progress or (lambda _: None),
            pool=pool,
            stop=stop_at_first_definite,
        )
        snapshot, notes = grading.finish()
        verdicts = [guarding.look(guard, snapshot, baseline) for guard in guards]
    seconds = time_source.monotonic() - begin
    return _report(scenario_id, [t.verdict() for t in tracks], verdicts, has, notes=notes, seconds=seconds)


def _track(check: Check, namespaces: tuple[str, ...]) -> Track:
    questions = questions_of(check, namespaces)
    return Track(check, questions, written=reads_only_what_is_written(check, questions))


def _not_applicable(scenario_id: str, checks: Sequence[Check], has: Capabilities, lacking: list[str]) -> Report:
    finding = Finding(Outcome.NOT_APPLICABLE, "; ".join(lacking))
    tracks = [Track(check, finding=finding, looks=0) for check in checks]
    return _report(
        scenario_id,
        [t.verdict() for t in tracks],
        [],
        has,
        notes=[f"not applicable: {'; '.join(lacking)}"],
        seconds=0.0,
    )


def _report(
    scenario_id: str,
    checks: list[Verdict],
    guards: list[GuardVerdict],
    has: Capabilities,
    *,
    notes: list[str],
    seconds: float,
) -> Report:
    broken = any(guard.outcome is Outcome.FAILED for guard in guards)
    unknown = any(guard.outcome is Outcome.UNKNOWN for guard in guards)
    outcomes = {check.outcome for check in checks}
    return Report(
        scenario=scenario_id,
        checks=checks,
        guards=guards,
        points=0 if broken else sum(c.points for c in checks if c.outcome is Outcome.PASSED),
        possible=sum(c.points for c in checks if c.outcome in {Outcome.PASSED, Outcome.FAILED}),
        passed=Outcome.PASSED in outcomes
        and outcomes <= {Outcome.PASSED, Outcome.NOT_APPLICABLE}
        and not broken
        and not unknown,
        seconds=round(seconds, 3),
        gpu=has.gpu,
        notes=notes,
    )
