"""How far the bringing-up of a cluster has come: what the events said, kept while no screen looks.

The app owns one; the engine screen draws it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from labs.errors import LabsError
from labs.events import Event, Notice, Progress, State, Step


class Stage(StrEnum):
    """Where the whole stands."""

    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class BringUp:
    """The story so far.

    Attributes:
        stage: Where the whole stands.
        steps: Step id → its latest event, in the order of appearance.
        progress: Step id → how far it has come.
        notices: What was said on the way.
        error: Why it failed.
        told: Number of events so far, so that a screen knows when there is something new to draw.
    """

    stage: Stage = Stage.IDLE
    steps: dict[str, Step] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    error: LabsError | None = None
    told: int = 0

    def begin(self) -> None:
        """Forget the last time."""
        self.steps.clear()
        self.progress.clear()
        self.notices.clear()
        self.error = None
        self.stage = Stage.RUNNING

    def take(self, event: Event) -> None:
        """Take in one event."""
        self.told += 1
        if isinstance(event, Step):
            self.steps[event.id] = event
        elif isinstance(event, Progress):
            self.progress[event.id] = event
            self.steps.setdefault(event.id, Step(event.id, event.id, State.RUNNING))
        else:
            self.notices.append(event)

    @property
    def counted(self) -> str:
        """Steps that are over, of those known so far."""
        over = sum(step.state is not State.RUNNING for step in self.steps.values())
        return f"{over} of {len(self.steps)} steps"
