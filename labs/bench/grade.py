"""How long ten settled checks take: solved tasks are graded together, on a connection of its own for each grading.

Called by `labs bench grade`. "Settled" means that nothing moves any more, so no time is spent on waiting for the
cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grader.capabilities import Requires
from grader.live import LiveCluster
from grader.model import TIMED_KINDS, Check, Rendered, Report
from grader.runner import grade
from labs.attempts.service import Tasks
from labs.bench.figures import Figure, Measured
from labs.bench.yardstick import Yardstick
from labs.course.models import Scenario
from labs.errors import ClusterError, UsageError
from labs.events import Listener, silent

CHECKS = 10
LIMIT = 1.0
ENOUGH = 20  # gradings, so that a 95th percentile says something


def measure(tasks: Tasks, *, runs: int = 5, emit: Listener = silent) -> Measured:
    """Grade ten settled checks `runs` times.

    Args:
        tasks: The tasks on a running cluster.
        runs: How often.
        emit: Hears the steps.

    Raises:
        UsageError: The course has fewer than ten checks that settle at once and that nobody works on.
        ClusterError: A task could not be solved.
    """
    chosen = list(_choose(tasks))
    if sum(len(_settling(scenario)) for scenario in chosen) < CHECKS:
        raise UsageError(f"there are not {CHECKS} checks to measure with", hint="stop the running tasks first")
    yardstick = Yardstick(tasks.handle.kubeconfig)
    reports = []
    with _solved(tasks, chosen, emit):
        for _ in range(runs):
            yardstick.take()
            reports.append(_grade(tasks, chosen))
    failed = [check.id for report in reports for check in report.checks if check.outcome != "passed"]
    if failed:
        raise ClusterError(f"the checks were not settled: {', '.join(sorted(set(failed)))}", hint="measure again")
    looks = {check.id: round(check.seconds, 3) for check in reports[-1].checks}
    slowest = ", ".join(f"{name} {seconds} s" for name, seconds in sorted(looks.items(), key=lambda x: -x[1])[:3])
    times = tuple(report.seconds for report in reports)
    figure = Figure(f"{CHECKS} settled checks", "s", times, LIMIT, f"slowest: {slowest}", judged="p95")
    return Measured((figure,), yardstick.figure())


def _settling(scenario: Scenario) -> list[Check]:
    """Return the checks that can be graded together at once.

    Left out are those that need time of their own by design: sustained ones, those that start a client pod, and those
    that render the learner's workspace.
    """
    return [check for check in scenario.file.checks if not _takes_time(check)]


def _takes_time(check: Check) -> bool:
    renders = any(isinstance(source, Rendered) for source in check.observe.values())
    client = check.http is not None and check.http.client is not None
    return check.kind in {*TIMED_KINDS, "infer", "kustomize"} or renders or client


def _alone(scenario: Scenario, check: Check) -> Check:
    """Return a check that says itself what it took from its scenario."""
    changes: dict[str, object] = {"id": f"{scenario.id}-{check.id}"}
    if check.http is not None and not check.http.namespace:
        changes["http"] = check.http.model_copy(update={"namespace": scenario.file.namespaces[0]})
    return check.model_copy(update=changes)


def _choose(tasks: Tasks) -> Iterator[Scenario]:
    found = 0
    for scenario in tasks.course.scenarios:
        if found >= CHECKS:
            return
        if tasks.current(scenario.id) is None and not tasks.lacking(scenario.id):
            found += len(_settling(scenario))
            yield scenario


@contextmanager
def _solved(tasks: Tasks, scenarios: list[Scenario], emit: Listener) -> Iterator[None]:
    try:
        for scenario in scenarios:
            tasks.start(scenario.id, emit=emit)
            tasks.apply_fix(scenario.id, scenario.solution, emit=emit)
            if not tasks.check(scenario.id, emit=emit).passed:
                raise ClusterError(f"the solution of {scenario.id} did not pass", hint=f"labs prove {scenario.id}")
        yield
    finally:
        for scenario in scenarios:
            if tasks.current(scenario.id) is not None:
                tasks.stop(scenario.id, emit=emit)


def _grade(tasks: Tasks, scenarios: list[Scenario]) -> Report:
    checks = [_alone(scenario, check) for scenario in scenarios for check in _settling(scenario)]
    cluster = LiveCluster(tasks.handle.kubeconfig)
    try:
        return grade(
            "bench",
            checks[:CHECKS],
            (),
            cluster,
            has=tasks.handle.capabilities,
            requires=Requires(),
            namespaces=[name for scenario in scenarios for name in scenario.file.namespaces],
            baseline=None,
            settle=0.0,
        )
    finally:
        cluster.close()
