"""Grades a task: looks at the cluster until the verdict is certain, and says for every check what was observed.

One *look* reads every observed list once and runs the checks on it side by side. Looks repeat until all checks pass, or
the namespaces are settled and some fail, or `settle` seconds are over. Called by `labs.attempts`; anything with a
`Cluster` can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from grader import guards as guarding
from grader import settle as settling
from grader.capabilities import Capabilities, Requires
from grader.checks import OPERATIONS
from grader.checks.sustained import Clock, Held, hold, not_worth_it
from grader.cluster import Cluster
from grader.errors import ExpressionError, GraderError, Unanswered
from grader.finding import Finding, Scene
from grader.guards import Baseline
from grader.model import Check, Guard, GuardVerdict, Outcome, Report, Sustained, Verdict
from grader.snapshot import Question, Snapshot
from grader.text import clean

POLL = 0.5
"""Seconds between two looks."""

PATIENCE = 5.0
"""Seconds an API server that does not answer is waited for; a supervisor has it back within two."""

WORKERS = 12


class SystemClock:
    """The time of this machine."""

    def monotonic(self) -> float:
        """Return seconds from any fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass(slots=True)
class _Track:
    """What is known of one check over all looks."""

    check: Check
    finding: Finding = field(default_factory=lambda: Finding(Outcome.UNKNOWN))
    mismatches: tuple[str, ...] = ()
    looks: int = 0
    seconds: float = 0.0

    def add(self, finding: Finding, seconds: float, looks: int = 1) -> None:
        self.finding = finding
        self.looks += looks
        self.seconds += seconds
        # An API server that dies after a failing look must not take the evidence with it.
        if finding.passed or finding.mismatches:
            self.mismatches = finding.mismatches

    def verdict(self) -> Verdict:
        return Verdict(
            id=self.check.id,
            kind=self.check.kind,
            about=self.check.about,
            points=self.check.points,
            outcome=self.finding.outcome,
            observed=clean(self.finding.observed, 600),
            expected=clean(self.finding.expected or self.check.about, 600),
            why=self.check.why,
            mismatches=list(self.mismatches),
            looks=self.looks,
            seconds=round(self.seconds, 3),
        )


@dataclass(frozen=True, slots=True)
class _Grading:
    """One grading in progress."""

    cluster: Cluster
    namespaces: tuple[str, ...]
    tracks: tuple[_Track, ...]
    guards: tuple[Guard, ...]
    settle: float
    clock: Clock
    say: Callable[[str], None]
    pool: ThreadPoolExecutor

    @property
    def _plain(self) -> list[_Track]:
        return [track for track in self.tracks if track.check.sustained is None]

    def _questions(self) -> Iterable[Question]:
        for track in self._plain:
            yield from OPERATIONS[track.check.kind].reads(track.check, self.namespaces)
        for guard in self.guards:
            yield from guarding.reads(guard)
        yield from settling.questions(self.namespaces)

    def look(self) -> Snapshot:
        """Read every list once and judge every check on it."""
        snapshot = Snapshot(self.cluster)
        snapshot.fetch(self._questions_safe(), self.pool)
        tracks = self._plain
        for track, (finding, seconds) in zip(
            tracks, self.pool.map(lambda t: self._judge(t.check, snapshot), tracks), strict=True
        ):
            track.add(finding, seconds)
        return snapshot

    def _questions_safe(self) -> list[Question]:
        try:
            return list(self._questions())
        except ExpressionError:
            return list(settling.questions(self.namespaces))  # a check that is wrong says so itself, when it is judged

    def _judge(self, check: Check, snapshot: Snapshot) -> tuple[Finding, float]:
        begin = self.clock.monotonic()
        finding = _safely(check, Scene(snapshot, self.cluster, self.namespaces))
        return finding, self.clock.monotonic() - begin

    def until_certain(self) -> tuple[Snapshot, list[str]]:
        """Look until the verdict is certain; return the last look and remarks."""
        begin = self.clock.monotonic()
        first = ""
        while True:
            snapshot = self.look()
            waited = self.clock.monotonic() - begin
            reason = self._unsettled(snapshot, waited)
            first = first or reason
            if not reason or waited >= self.settle:
                notes = [f"waited {waited:.0f} s for {first}"] if first and waited >= 1 else []
                return snapshot, notes + self._doubt(snapshot)
            self.say(f"waiting for {reason} ({waited:.0f} of at most {self.settle:.0f} s)")
            self.clock.sleep(POLL)

    def _unsettled(self, snapshot: Snapshot, waited: float) -> str:
        """Return what to wait for, or nothing when this look is the verdict."""
        findings = [track.finding for track in self._plain]
        if any(finding.transient for finding in findings):
            return "the cluster to answer" if waited < PATIENCE else ""
        if any(finding.outcome is Outcome.FAILED for finding in findings):
            return settling.motion(snapshot, self.namespaces, self.cluster.now())
        return settling.rolling(snapshot, self.namespaces)

    def _doubt(self, snapshot: Snapshot) -> list[str]:
        """Take back passes that may rest on pods of an older spec, because no controller has seen the new one."""
        lag = settling.rolling(snapshot, self.namespaces)
        if not lag:
            return []
        observed = f"still waiting for {lag}"
        for track in self._plain:
            if track.finding.passed:
                track.finding = replace(track.finding, outcome=Outcome.UNKNOWN, observed=observed)
        return [f"{observed}: nothing counts as passed until then"]

    def sustain(self) -> bool:
        """Hold what must be sustained, all at once; return whether time has passed."""
        held = [track for track in self.tracks if track.check.sustained is not None]
        known = {track.check.id: track for track in self._plain}
        longest = max((t.check.sustained.seconds for t in held if t.check.sustained), default=0.0)
        if held and longest:
            self.say(f"holding for {longest:g} s")
        for track, (result, seconds) in zip(
            held, self.pool.map(lambda t: self._hold(t.check, known), held), strict=True
        ):
            track.add(result.finding, seconds, result.looks)
        return any(track.looks > 1 for track in held)

    def _hold(self, check: Check, known: dict[str, _Track]) -> tuple[Held, float]:
        begin = self.clock.monotonic()
        wanted = check.sustained or Sustained(seconds=1, check="")
        other = known.get(wanted.check)
        if other is None:
            mistake = f"there is no check `{wanted.check}` that could be sustained"
            return Held(Finding(Outcome.UNKNOWN, mistake), 1), 0.0
        if not other.finding.passed:
            return not_worth_it(wanted, other.finding), 0.0
        held = hold(wanted, lambda: self._judge(other.check, Snapshot(self.cluster))[0], self.clock)
        return held, self.clock.monotonic() - begin


def _safely(check: Check, scene: Scene) -> Finding:
    """Look once; whatever is not the learner's doing is `unknown` and costs nothing."""
    try:
        return OPERATIONS[check.kind].look(check, scene)
    except Unanswered as error:
        return Finding(Outcome.UNKNOWN, _with_hint(error), check.expected, transient=True)
    except GraderError as error:
        return Finding(Outcome.UNKNOWN, _with_hint(error), check.expected)
    except Exception as error:  # noqa: BLE001 - a fault of ours must neither cost points nor end an exam
        return Finding(Outcome.UNKNOWN, f"the grader failed on this check: {type(error).__name__}: {clean(str(error))}")


def _with_hint(error: GraderError) -> str:
    return clean(f"{error.message}{f' (hint: {error.hint})' if error.hint else ''}", 600)


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
        clock: Time, for tests.
        on_progress: Told what is waited for.
    """
    time_source = clock or SystemClock()
    begin = time_source.monotonic()
    lacking = requires.missing(has)
    if lacking:
        return _not_applicable(scenario_id, checks, has, lacking)
    tracks = tuple(_Track(check) for check in checks)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="grade") as pool:
        grading = _Grading(
            cluster=cluster,
            namespaces=tuple(namespaces),
            tracks=tracks,
            guards=tuple(guards),
            settle=settle,
            clock=time_source,
            say=on_progress or (lambda _: None),
            pool=pool,
        )
        snapshot, notes = grading.until_certain()
        if grading.sustain():
            snapshot = Snapshot(cluster)  # guards hold to the end, not only until the holding began
        verdicts = [guarding.look(guard, snapshot, baseline) for guard in guards]
    seconds = time_source.monotonic() - begin
    return _report(scenario_id, [t.verdict() for t in tracks], verdicts, has, notes=notes, seconds=seconds)


def _not_applicable(scenario_id: str, checks: Sequence[Check], has: Capabilities, lacking: list[str]) -> Report:
    finding = Finding(Outcome.NOT_APPLICABLE, "; ".join(lacking))
    tracks = [_Track(check, finding, looks=0) for check in checks]
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
