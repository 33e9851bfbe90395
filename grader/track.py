"""What is known of one check over all looks: its evidence, and whether a failure is certain.

Used by `grader.looking`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from grader.definite import inputs, youngest
from grader.errors import GraderError
from grader.finding import Finding
from grader.model import Check, Outcome, Verdict
from grader.settle import QUIET
from grader.snapshot import Question, Snapshot
from grader.text import clean, clean_lines

CONFIRM = 1.0
"""Seconds between two looks that must both fail before it counts: what was deleted a moment ago leaves no trace."""


@dataclass(slots=True)
class Track:
    """One check and what came of it so far.

    Attributes:
        check: The check.
        questions: The lists it reads.
        written: Whether it reads only what the learner writes (`grader.definite`).
        finding: Of the last look.
        mismatches: The last differences seen.
        looks: Number of looks.
        seconds: Time spent on them.
        confirmed: Two looks, at least `CONFIRM` apart, failed and none between them did not.
        definite: It fails, and only the learner can change that.
    """

    check: Check
    questions: tuple[Question, ...] = ()
    written: bool = False
    finding: Finding = field(default_factory=lambda: Finding(Outcome.UNKNOWN))
    mismatches: tuple[str, ...] = ()
    looks: int = 0
    seconds: float = 0.0
    confirmed: bool = False
    definite: bool = False
    _since: float | None = None
    _inputs: str = ""

    def add(self, finding: Finding, seconds: float, looks: int = 1) -> None:
        """Take in a look."""
        self.finding = finding
        self.looks += looks
        self.seconds += seconds
        # An API server that dies after a failing look must not take the evidence with it.
        if finding.passed or finding.mismatches:
            self.mismatches = finding.mismatches

    def weigh(self, snapshot: Snapshot, now: datetime, at: float) -> None:
        """Work out how certain a failure is.

        Args:
            snapshot: What the look saw.
            now: The API server's time.
            at: Monotonic seconds at which the look began.
        """
        if self.finding.outcome is not Outcome.FAILED:
            self._since, self.confirmed, self.definite = None, False, False
            return
        seen, age = self._seen(snapshot, now)
        if self._since is None or seen != self._inputs:
            self._since, self._inputs = at, seen
        self.confirmed = at - self._since >= CONFIRM * 0.95
        self.definite = self.written and (self.confirmed or age >= QUIET)

    def _seen(self, snapshot: Snapshot, now: datetime) -> tuple[str, float]:
        if not self.written:
            return "", 0.0
        try:
            return inputs(self.questions, snapshot), youngest(self.questions, snapshot, now)
        except GraderError as error:  # a kustomization that does not render is a state as well
            return error.message, 0.0

    def verdict(self) -> Verdict:
        """Return it as the report shows it."""
        return Verdict(
            id=self.check.id,
            kind=self.check.kind,
            about=self.check.about,
            points=self.check.points,
            outcome=self.finding.outcome,
            observed=clean_lines(self.finding.observed),
            expected=clean(self.finding.expected or self.check.about, 600),
            why=self.check.why,
            mismatches=list(self.mismatches),
            looks=self.looks,
            seconds=round(self.seconds, 3),
        )
