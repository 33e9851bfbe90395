"""How long a task takes to start, to reset and to end, for each scenario. Called by `labs bench tasks`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from labs.attempts.service import Tasks
from labs.bench.figures import Figure
from labs.errors import UsageError
from labs.events import Listener, silent

START_LIMIT = 3.0
RESET_LIMIT = 3.0


def measure(tasks: Tasks, ids: Sequence[str] = (), *, runs: int = 5, emit: Listener = silent) -> list[Figure]:
    """Start, reset and stop each scenario `runs` times.

    Args:
        tasks: The tasks on a running cluster.
        ids: Scenarios; none means all that the cluster can run and nobody works on.
        runs: How often.
        emit: Hears the steps.

    Raises:
        UsageError: Nothing is left to measure.
    """
    chosen = [tasks.scenario(name).id for name in ids] or [s.id for s in tasks.course.scenarios]
    free = [name for name in chosen if tasks.current(name) is None and not tasks.lacking(name)]
    if not free:
        raise UsageError("there is no scenario to measure", hint="stop the running tasks first: labs scenarios stop ID")
    figures = []
    for name in free:
        taken: dict[str, list[float]] = {"start": [], "reset": [], "stop": []}
        for _ in range(runs):
            _once(tasks, name, taken, emit)
        limits = {"start": START_LIMIT, "reset": RESET_LIMIT}
        figures += [Figure(f"{name}: {what}", "s", tuple(times), limits.get(what)) for what, times in taken.items()]
    return figures


def _once(tasks: Tasks, name: str, taken: dict[str, list[float]], emit: Listener) -> None:
    try:
        taken["start"].append(_timed(lambda: tasks.start(name, emit=emit)))
        taken["reset"].append(_timed(lambda: tasks.reset(name, emit=emit)))
    finally:
        if tasks.current(name) is not None:
            taken["stop"].append(_timed(lambda: tasks.stop(name, emit=emit)))


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
