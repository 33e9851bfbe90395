"""How long a task takes to start, to reset and to end, for each scenario. Called by `labs bench tasks`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from labs.attempts.service import Tasks
from labs.bench.figures import Figure, Measured
from labs.bench.yardstick import Yardstick
from labs.errors import UsageError
from labs.events import Listener, silent

LIMITS: Mapping[str, float | None] = {"start": 3.0, "reset": 3.0, "stop": None}
SHOWN = 3


def measure(tasks: Tasks, ids: Sequence[str] = (), *, runs: int = 5, emit: Listener = silent) -> Measured:
    """Start, reset and stop each scenario `runs` times.

    Args:
        tasks: The tasks on a running cluster.
        ids: Scenarios; none means all that the cluster can run and nobody works on.
        runs: How often.
        emit: Hears the steps.

    Returns:
        What 19 of 20 starts and resets of all scenarios take, which the limits hold for, then the median of each.

    Raises:
        UsageError: Nothing is left to measure.
    """
    chosen = [tasks.scenario(name).id for name in ids] or [s.id for s in tasks.course.scenarios]
    free = [name for name in chosen if tasks.current(name) is None and not tasks.lacking(name)]
    if not free:
        raise UsageError("there is no scenario to measure", hint="stop the running tasks first: labs scenarios stop ID")
    yardstick = Yardstick(tasks.handle.kubeconfig)
    taken: dict[str, dict[str, list[float]]] = {what: {name: [] for name in free} for what in LIMITS}
    for _ in range(runs):
        for name in free:
            yardstick.take()
            _once(tasks, name, taken, emit)
    return Measured((*_of_all(taken), *_of_each(free, taken)), yardstick.figure())


def _of_all(taken: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Figure]:
    figures = []
    for what, limit in LIMITS.items():
        values = tuple(value for times in taken[what].values() for value in times)
        longest = sorted(taken[what], key=lambda name: -max(taken[what][name]))[:SHOWN]
        note = f"longest: {', '.join(f'{name} {max(taken[what][name]):.1f} s' for name in longest)}"
        figures.append(Figure(f"{what} of a task", "s", values, limit, note, judged="p95"))
    return figures


def _of_each(names: Sequence[str], taken: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Figure]:
    return [Figure(f"{name}: {what}", "s", tuple(taken[what][name])) for name in names for what in LIMITS]


def _once(tasks: Tasks, name: str, taken: Mapping[str, Mapping[str, list[float]]], emit: Listener) -> None:
    try:
        taken["start"][name].append(_timed(lambda: tasks.start(name, emit=emit)))
        taken["reset"][name].append(_timed(lambda: tasks.reset(name, emit=emit)))
    finally:
        if tasks.current(name) is not None:
            taken["stop"][name].append(_timed(lambda: tasks.stop(name, emit=emit)))


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
