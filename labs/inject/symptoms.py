"""Waits until the faults of a task show in its objects: what a learner is sent to find is then really there.

`labs.attempts.seeding` waits a moment at a start; `labs.prove` can ask for all of it, with time. Faults of a scenario's
own (`broken/`) have no declared symptom; what they do, the checks tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labs.course.models import Fault, Scenario
from labs.inject import faults
from labs.inject.api import Api
from labs.inject.faults._seen import World

SHOWN_WITHIN = 60.0
_CORE = {"Event": "v1"}  # kinds that two groups have


def visible(scenario: Scenario) -> list[Fault]:
    """Return the faults of a task that say how they are seen; those that come later (`at`) are not among them."""
    return [f for f in scenario.file.faults if f.use and not f.at and faults.sight(f.use) is not None]


def wait_shown(
    api: Api, wanted: Iterable[Fault], namespaces: Sequence[str], *, seconds: float = SHOWN_WITHIN, every: float = 0.2
) -> list[str]:
    """Wait until faults are seen.

    Args:
        api: The cluster.
        wanted: Library faults that are in it.
        namespaces: The task's namespaces.
        seconds: Longest wait.
        every: Pause between two looks, in seconds.

    Returns:
        The faults that do not show, by name, with what was expected; empty: all do.

    Raises:
        ClusterError: The cluster does not answer.
    """
    left = [f for f in wanted if f.use and faults.sight(f.use) is not None]

    def shown() -> bool:
        world = _world(api, left, namespaces)
        left[:] = [f for f in left if not faults.is_seen(f.use, f.with_, world)]
        return not left

    if left:
        api.wait(shown, seconds=seconds, every=every)
    return [f"{f.use}: {faults.library()[f.use].SYMPTOM}" for f in left]


def _world(api: Api, wanted: Iterable[Fault], namespaces: Sequence[str]) -> World:
    sights = [sight for f in wanted if (sight := faults.sight(f.use)) is not None]
    kinds = sorted({kind for sight in sights for kind in sight.kinds})
    reads = [(api.resource(_CORE.get(kind, ""), kind), space) for kind in kinds for space in namespaces]
    world: World = {kind: [] for kind in kinds}
    for (resource, _), found in zip(reads, api.together(lambda read: api.items(*read), reads), strict=True):
        world[resource.kind] += found
    return world
