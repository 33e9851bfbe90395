"""Waits until the faults of a task show in its objects: what a learner is sent to find is then really there.

`labs.attempts.seeding` waits a moment at a start; `labs.prove` can ask for all of it, with time. Faults of a scenario's
own (`broken/`) have no declared symptom; what they do, the checks tell.
"""

from __future__ import annotations

from grader.model import Json
from labs.course.models import Fault, Scenario
from labs.inject import faults
from labs.inject.api import Api

SHOWN_WITHIN = 60.0


def wait_shown(api: Api, scenario: Scenario, *, seconds: float = SHOWN_WITHIN, every: float = 0.2) -> list[str]:
    """Wait until every library fault that says how it is seen is seen.

    Args:
        api: The cluster.
        scenario: The task, which runs.
        seconds: Longest wait.
        every: Pause between two looks, in seconds.

    Returns:
        The faults that do not show, by name with what was expected; empty: all do.

    Raises:
        ClusterError: The cluster does not answer.
    """
    left = [f for f in scenario.file.faults if f.use and faults.sight(f.use) is not None]

    def shown() -> bool:
        world = _world(api, scenario, left)
        left[:] = [f for f in left if not faults.is_seen(f.use, f.with_, world)]
        return not left

    if left:
        api.wait(shown, seconds=seconds, every=every)
    return [f"{f.use} ({faults.library()[f.use].SYMPTOM})" for f in left]


def _world(api: Api, scenario: Scenario, left: list[Fault]) -> dict[str, list[Json]]:
    seen = [sight for f in left if (sight := faults.sight(f.use)) is not None]
    kinds = sorted({kind for sight in seen for kind in sight.kinds})
    wanted = [(kind, space) for kind in kinds for space in scenario.file.namespaces]
    groups = {"Event": "v1", "Pod": "v1"}
    lists = api.together(lambda w: api.items(api.resource(groups.get(w[0], ""), w[0]), w[1]), wanted)
    world: dict[str, list[Json]] = {kind: [] for kind in kinds}
    for (kind, _), found in zip(wanted, lists, strict=True):
        world[kind] += found
    return world
