"""What a learner can do with a task. `cli.py` and `tui/` call this and nothing below it.

tasks = Tasks(handle)                 one per cluster
started = tasks.start("model-not-found", emit=...)
report = tasks.check("model-not-found")
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grader.model import Report
from labs.course.models import Course, Fix, Scenario
from labs.events import Listener, silent
from labs.providers.base import ClusterHandle


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


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been done with a scenario so far.

    Attributes:
        attempts: Number of attempts.
        solved: Whether one passed.
        best_seconds: Shortest time from start to pass, or None.
    """

    attempts: int
    solved: bool
    best_seconds: float | None


class Tasks:
    """The tasks on one cluster.

    Args:
        handle: The running cluster; None gives a service that can only read (course, progress).
        course: The course; default: loaded from `paths.scenarios_dir()`.
        store: SQLite file; default: `paths.state_dir() / "attempts.db"`.

    Raises (all methods): `UsageError` for an unknown scenario or one that is not started, `ClusterError` when the cluster does not
    answer, `NotOursError` when the cluster or a namespace is not ours.
    """

    def __init__(
        self, handle: ClusterHandle | None, *, course: Course | None = None, store: Path | None = None
    ) -> None:
        raise NotImplementedError

    @property
    def course(self) -> Course:
        """The course."""
        raise NotImplementedError

    def scenario(self, scenario_id: str) -> Scenario:
        """Return a scenario; an unknown id raises `UsageError` that names the nearest ones."""
        raise NotImplementedError

    def lacking(self, scenario_id: str) -> list[str]:
        """Return what the cluster lacks for the scenario, empty when it can run."""
        raise NotImplementedError

    def start(self, scenario_id: str, *, emit: Listener = silent) -> Attempt:
        """Seed the task: guard the baseline, apply setup and faults, record the snapshot. A running attempt is resumed, not begun again."""
        raise NotImplementedError

    def current(self, scenario_id: str) -> Attempt | None:
        """Return the attempt that runs, or None."""
        raise NotImplementedError

    def running(self) -> list[Attempt]:
        """Return all attempts that run on this cluster."""
        raise NotImplementedError

    def check(self, scenario_id: str, *, settle: float | None = None, emit: Listener = silent) -> Report:
        """Grade the task and record the report. `settle`: seconds to wait at most while things move (default: the scenario's)."""
        raise NotImplementedError

    def hint(self, scenario_id: str) -> tuple[str, str]:
        """Take the next hint; return its level and text. The last is returned again when all are taken."""
        raise NotImplementedError

    def solution(self, scenario_id: str) -> Fix:
        """Return the solution and record that it was seen."""
        raise NotImplementedError

    def apply_fix(self, scenario_id: str, fix: Fix, *, emit: Listener = silent) -> None:
        """Do what a fix says, step by step (demo, prove, `solution --apply`)."""
        raise NotImplementedError

    def reset(self, scenario_id: str, *, emit: Listener = silent) -> Attempt:
        """Put the task back to its broken start, exactly, and touch no other task. The clock goes on."""
        raise NotImplementedError

    def stop(self, scenario_id: str, *, emit: Listener = silent) -> None:
        """End the attempt and remove all that the task brought to the cluster; foreign objects it changed are restored."""
        raise NotImplementedError

    def progress(self) -> dict[str, Progress]:
        """Return scenario id → progress over all clusters."""
        raise NotImplementedError
