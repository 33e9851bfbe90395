"""All benchmarks in one go, on a cluster of their own. Called by `labs bench all`, which `page.py` makes a page of."""

from __future__ import annotations

from labs.attempts.service import Tasks
from labs.bench import engine, grade, tasks
from labs.bench.figures import Measured
from labs.events import Listener, silent
from labs.providers.engine.provider import EngineProvider

TASK_ROUNDS = 2  # of some thirty tasks: enough starts for a percentile, and a quarter of an hour in all


def measure(*, runs: int = 5, emit: Listener = silent) -> dict[str, Measured]:
    """Run every benchmark: its name → what it measured.

    Args:
        runs: How often each figure of the engine is taken; of the grader at least twenty times, each task twice.
        emit: Hears of every step.

    Raises:
        LabsError: The cluster does not come up, or a task does not behave.
    """
    measured = {"engine": engine.measure(runs=runs, emit=emit)}
    provider = EngineProvider()
    try:
        service = Tasks(provider.up(engine.NAME, emit=emit))
        measured["grade"] = grade.measure(service, runs=max(runs, grade.ENOUGH), emit=emit)
        measured["tasks"] = tasks.measure(service, runs=TASK_ROUNDS, emit=emit)
    finally:
        provider.down(engine.NAME, emit=emit)
    return measured
