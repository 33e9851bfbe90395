"""The one door between the screens and the core: what the app may ask, and the adapter that asks the real thing.

`tui.fake.FakeGateway` is the other one. Screens get a gateway when they are made and know nothing behind it. All
methods block (workers call them from threads) and raise `LabsError` only. Nothing is decided here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Protocol

from grader.model import Report
from labs import doctor, providers, shell
from labs.attempts.clues import Clues
from labs.attempts.diagnosis import Diagnosed
from labs.attempts.service import Attempt, Progress, Tasks
from labs.course.models import Course, Fix, Scenario
from labs.errors import ClusterError, LabsError, UsageError
from labs.events import Listener
from labs.prove.serving import serve, served
from labs.providers.base import ClusterHandle, ClusterStatus, Finding, Phase, Provider
from labs.shell import Shell


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the home screen shows.

    Attributes:
        course: The course.
        status: Where the cluster stands.
        progress: Scenario id → what was done with it so far.
        running: Scenario id → the attempt that runs on this cluster.
        drafts: Scenarios of the course that are not proved as they are now; only authors see such.
    """

    course: Course
    status: ClusterStatus
    progress: dict[str, Progress] = field(default_factory=dict)
    running: dict[str, Attempt] = field(default_factory=dict)
    drafts: frozenset[str] = frozenset()


class Gateway(Protocol):
    """What the screens may ask. Scenario ids are those of the course."""

    cluster: str

    def now(self) -> datetime:
        """Return the time (UTC); tests stop it."""
        ...

    def overview(self) -> Overview:
        """Read the state of everything; a cluster that is absent or broken is an answer."""
        ...

    def findings(self) -> dict[str, list[Finding]]:
        """Look at this machine: provider name → findings."""
        ...

    def up(self, emit: Listener) -> None:
        """Bring the cluster up."""
        ...

    def lacking(self, scenario_id: str) -> list[str]:
        """Return what the cluster lacks for the scenario."""
        ...

    def start(self, scenario_id: str, emit: Listener) -> Attempt:
        """Start the task or resume it."""
        ...

    def current(self, scenario_id: str) -> Attempt | None:
        """Return the attempt that runs."""
        ...

    def check(self, scenario_id: str, emit: Listener) -> Report:
        """Grade the task."""
        ...

    def clues(self, scenario_id: str) -> Clues:
        """Read what the learner of a `diagnose` task may point at; what proves the cause is remembered."""
        ...

    def answer(self, scenario_id: str, component: str | None, cause: str | None, evidence: str | None) -> Diagnosed:
        """Answer the diagnosis; None leaves a part as it was."""
        ...

    def hint(self, scenario_id: str) -> tuple[str, str]:
        """Take the next hint: its level and text."""
        ...

    def solution(self, scenario_id: str) -> Fix:
        """Return the solution and record that it was seen."""
        ...

    def reset(self, scenario_id: str, emit: Listener) -> Attempt:
        """Put the task back to its broken start."""
        ...

    def stop(self, scenario_id: str, emit: Listener) -> None:
        """End the attempt, remove its traces and its shell."""
        ...

    def shell(self, scenario_id: str) -> Shell:
        """Return the learner's shell for the running attempt, opened when there is none."""
        ...


class LiveGateway:
    """The gateway to the real core.

    Args:
        cluster: Name of the cluster.
        provider: `auto`, or the name of a provider.
    """

    def __init__(self, *, cluster: str = "lab", provider: str = "auto") -> None:
        self.cluster = cluster
        self._wanted = provider
        self._lock = RLock()  # for making things once
        self._changing = RLock()  # for what changes the cluster: one after the other
        self._reader: Tasks | None = None
        self._tasks: tuple[ClusterHandle, Tasks] | None = None

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def overview(self) -> Overview:
        """Read the state of everything."""
        status = self._status()
        with self._lock:
            if self._reader is None:
                self._reader = Tasks(None)
            reader = self._reader
        running: dict[str, Attempt] = {}
        if status.phase in {Phase.READY, Phase.DEGRADED}:
            with suppress(LabsError):  # it may go away between two questions; the next look says so
                running = {attempt.scenario: attempt for attempt in self._live().running()}
        course, drafts = served(reader.course, running)
        return Overview(course, status, reader.progress(), running, drafts)

    def findings(self) -> dict[str, list[Finding]]:
        """Look at this machine with the eyes of each provider."""
        return doctor.examine().findings

    def up(self, emit: Listener) -> None:
        """Bring the cluster up."""
        self._provider(make=True).up(self.cluster, emit=emit)

    def lacking(self, scenario_id: str) -> list[str]:
        """Return what the cluster lacks for the scenario."""
        return self._live().lacking(scenario_id)

    def start(self, scenario_id: str, emit: Listener) -> Attempt:
        """Start the task or resume it."""
        with self._changing:
            tasks = self._live()
            if tasks.current(scenario_id) is None:
                serve(tasks.scenario(scenario_id))
            return tasks.start(scenario_id, emit=emit)

    def current(self, scenario_id: str) -> Attempt | None:
        """Return the attempt that runs."""
        return self._live().current(scenario_id)

    def check(self, scenario_id: str, emit: Listener) -> Report:
        """Grade the task."""
        with self._changing:
            return self._live().check(scenario_id, emit=emit)

    def clues(self, scenario_id: str) -> Clues:
        """Read what a learner may point at."""
        return self._live().clues(scenario_id)

    def answer(self, scenario_id: str, component: str | None, cause: str | None, evidence: str | None) -> Diagnosed:
        """Answer the diagnosis."""
        return self._live().answer(scenario_id, component=component, cause=cause, evidence=evidence)

    def hint(self, scenario_id: str) -> tuple[str, str]:
        """Take the next hint."""
        return self._live().hint(scenario_id)

    def solution(self, scenario_id: str) -> Fix:
        """Return the solution."""
        return self._live().solution(scenario_id)

    def reset(self, scenario_id: str, emit: Listener) -> Attempt:
        """Put the task back to its broken start."""
        with self._changing:
            return self._live().reset(scenario_id, emit=emit)

    def stop(self, scenario_id: str, emit: Listener) -> None:
        """End the attempt and close its shell."""
        with self._changing:
            self._live().stop(scenario_id, emit=emit)
        shell.close(self.cluster, scenario_id)

    def shell(self, scenario_id: str) -> Shell:
        """Open the learner's shell, or find it open."""
        tasks = self._live()
        attempt = tasks.current(scenario_id)
        if attempt is None:
            raise UsageError(f"the task {scenario_id} does not run", hint="start it first: Enter on the home screen")
        scenario: Scenario = tasks.scenario(scenario_id)
        return shell.open_shell(self._handle(), attempt, scenario)

    def _provider(self, *, make: bool) -> Provider:
        found = providers.find(self.cluster)
        if found is not None:
            return found
        if make:
            return providers.select(self._wanted, cluster=self.cluster)
        raise ClusterError(f"there is no cluster {self.cluster}", hint="press u on the home screen, or run: labs up")

    def _status(self) -> ClusterStatus:
        try:
            return self._provider(make=False).status(self.cluster)
        except LabsError:
            return ClusterStatus(self.cluster, "", Phase.ABSENT)

    def _handle(self) -> ClusterHandle:
        return self._provider(make=False).handle(self.cluster)

    def _live(self) -> Tasks:
        """Return the tasks of the cluster that runs now; it is another one after it was made anew."""
        with self._lock:
            handle = self._handle()
            if self._tasks is None or self._tasks[0] != handle:
                self._tasks = (handle, Tasks(handle))
            return self._tasks[1]
