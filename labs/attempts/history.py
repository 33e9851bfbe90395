"""What the events say: attempts, where they stand, progress. Pure; `service.py` and `seeding.py` ask it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from grader.model import Json, Report
from labs.attempts.store import Recorded


class Stage(StrEnum):
    """Where an attempt stands in the cluster."""

    BEGINNING = "beginning"
    RUNNING = "running"
    RESETTING = "resetting"
    STOPPING = "stopping"
    STOPPED = "stopped"


_STAGES = {
    "begin": Stage.BEGINNING,
    "ready": Stage.RUNNING,
    "resetting": Stage.RESETTING,
    "reset": Stage.RUNNING,
    "stopping": Stage.STOPPING,
    "stopped": Stage.STOPPED,
}


@dataclass(slots=True)
class Story:
    """One attempt as its events tell it.

    Attributes:
        id: Attempt id.
        cluster: Id of the cluster.
        scenario: Scenario id.
        stage: Where it stands.
        began: When it was begun.
        started: When it was ready to work on, or None.
        passed: When a grading passed for the first time, or None.
        stopped: When it was stopped, or None.
        hints: Levels taken, in order.
        saw_solution: When the solution was seen, or None.
        last: The last report, or None.
        again: When it was put back to its start for the last time, or None.
        answer: The diagnosis as it was answered last (`diagnosis.judge`), or None; a reset forgets it.
        answers: How often it was answered.
        detected: When component and cause were right for the first time, or None.
        seen: Lines that prove the cause, as they were found during the attempt.
    """

    id: str
    cluster: str
    scenario: str
    stage: Stage
    began: datetime
    started: datetime | None = None
    passed: datetime | None = None
    stopped: datetime | None = None
    hints: list[str] = field(default_factory=list)
    saw_solution: datetime | None = None
    last: Report | None = None
    again: datetime | None = None
    answer: Json | None = None
    answers: int = 0
    detected: datetime | None = None
    seen: list[Json] = field(default_factory=list)

    def add(self, event: Recorded) -> None:
        """Take in one event."""
        self.stage = _STAGES.get(event.kind, self.stage)
        if event.kind == "ready":
            self.started = event.at
        elif event.kind == "stopped":
            self.stopped = event.at
        elif event.kind == "hint" and event.data["level"] not in self.hints:
            self.hints.append(event.data["level"])
        elif event.kind == "solution":
            self.saw_solution = self.saw_solution or event.at
        elif event.kind == "reset":
            self.last, self.answer, self.again = None, None, event.at
        elif event.kind == "answer":
            self._answered(event)
        elif event.kind == "seen":
            self.seen += event.data["lines"]
        elif event.kind == "check":
            self.last = Report.model_validate(event.data)
            if self.last.passed and self.passed is None:
                self.passed = event.at

    def _answered(self, event: Recorded) -> None:
        self.answer = event.data
        self.answers += 1
        if self.detected is None and all(event.data[part].get("right") for part in ("component", "cause")):
            self.detected = event.at

    @property
    def seconds_to_detect(self) -> float | None:
        """Seconds from the start to the first answer with the right component and cause, or None."""
        return (self.detected - self.started).total_seconds() if self.detected and self.started else None

    @property
    def since(self) -> datetime:
        """From when on what is in the cluster is the learner's doing."""
        return self.again or self.started or self.began

    @property
    def by_oneself(self) -> bool:
        """Whether a grading passed before the solution was seen."""
        return self.passed is not None and (self.saw_solution is None or self.passed <= self.saw_solution)

    @property
    def seconds(self) -> float | None:
        """Seconds from the start to the first pass, or None."""
        return (self.passed - self.started).total_seconds() if self.passed and self.started else None


def stories(events: Iterable[Recorded]) -> dict[str, Story]:
    """Return attempt id → its story, in the order of their beginnings."""
    found: dict[str, Story] = {}
    for event in events:
        if event.kind == "begin":
            found[event.attempt] = Story(event.attempt, event.cluster, event.scenario, Stage.BEGINNING, event.at)
        elif event.attempt in found:
            found[event.attempt].add(event)
    return found


def open_story(events: Iterable[Recorded]) -> Story | None:
    """Return the last attempt that has not been stopped, whatever its stage."""
    return next((s for s in reversed(stories(events).values()) if s.stage is not Stage.STOPPED), None)
