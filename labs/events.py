"""What `labs` tells while it works: typed events, rendered by `cli.py` (lines) and `tui/` (widgets).

Functions that take longer than a second accept a `Listener`. They never print.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One named step began, ended, failed or was not needed.

    Attributes:
        id: Stable key of the step; later events with the same id replace the earlier.
        title: What a person reads, such as "Starting kube-apiserver".
        state: Where it stands.
        detail: Short addition: a version, a reason, "waiting ≤ 60 s for 2 nodes to be Ready".
        seconds: How long it took, once known.
    """

    id: str
    title: str
    state: State
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long step has come.

    Attributes:
        id: The step's id.
        done: Amount done, in `unit`.
        total: Whole amount in `unit`, or None where unknown.
        unit: `bytes`, `seconds`, `components`.
        elapsed: Seconds since the step began.
        expected: Seconds the whole step is expected to take, or None.
    """

    id: str
    done: float
    total: float | None
    unit: str
    elapsed: float
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth saying that is not a step.

    Attributes:
        message: One sentence.
        hint: The mend or the next command, if any.
        warning: Whether it deserves attention.
    """

    message: str
    hint: str = ""
    warning: bool = False


Event = Step | Progress | Notice
Listener = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Drop an event: the listener of callers that show nothing."""
