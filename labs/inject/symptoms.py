"""Waits until the faults of a task show in its objects: what a learner is sent to find is then really there.

`labs.attempts.seeding` waits a moment at a start; `labs.prove` asks for all of it, with time. Faults of a scenario's
own (`broken/`) have no declared symptom; what they do, the checks tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from grader.model import Json
from labs.course.models import Fault, Scenario
from labs.inject import faults, timeline
from labs.inject.api import Api
from labs.inject.faults._seen import World

SHOWN_WITHIN = 60.0
STARTED_WITHIN = 10.0
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_CORE = {"Event": "v1"}  # kinds that two groups have


def visible(scenario: Scenario) -> list[Fault]:
    """Return the faults of a task that are seen, and how they say; those that come later (`at`) are not among them."""
    return [f for f in scenario.file.faults if f.use and not (f.at or f.unseen) and faults.sight(f.use) is not None]


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


def wait_broken(api: Api, scenario: Scenario, *, seconds: float = SHOWN_WITHIN, every: float = 0.2) -> list[str]:
    """Wait until a task that was just started is broken in every way: its faults show, and the timed ones have come.

    Args:
        api: The cluster.
        scenario: The task.
        seconds: Longest wait for the symptoms of those that are there at once, and again for those of the timed ones
            after their time.
        every: Pause between two looks, in seconds.

    Returns:
        What has not shown or come, with what was expected; empty: everything has.

    Raises:
        ClusterError: The cluster does not answer.
    """
    spaces = scenario.file.namespaces
    late = wait_shown(api, visible(scenario), spaces, seconds=seconds, every=every)
    timed = [f for f in scenario.file.faults if f.at]
    if not timed:
        return late
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": spaces[0], "name": timeline.ACTOR}}

    phase = ""

    def ended() -> bool:
        nonlocal phase
        phase = str(((api.get(pod) or {}).get("status") or {}).get("phase") or "absent")
        return phase in {"Succeeded", "Failed"}

    # Its time begins with the pod, which may have to be scheduled and pulled first.
    if not api.wait(ended, seconds=timeline.due(scenario) + seconds, every=every) or phase == "Failed":
        late.append(f"timed faults: the pod {timeline.ACTOR}, which brings them, is {phase}")
    return late + wait_shown(api, [f for f in timed if not f.unseen], spaces, seconds=seconds, every=every)


def wait_started(api: Api, namespaces: Sequence[str], *, seconds: float = STARTED_WITHIN) -> None:
    """Wait until no pod that was made within the last `seconds` is still being started; older ones are stuck.

    A fix that comes before a container has read its Secret mends what it should not: nobody but a program is so quick.

    Raises:
        ClusterError: The cluster does not answer.
    """
    pod = api.resource("v1", "Pod")

    def started() -> bool:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        return not any(_is_starting(p, since) for space in namespaces for p in api.items(pod, space))

    api.wait(started, seconds=seconds, every=0.3)


def _is_starting(pod: Json, since: datetime) -> bool:
    meta, status = pod["metadata"], pod.get("status") or {}
    if meta.get("deletionTimestamp") or datetime.fromisoformat(meta["creationTimestamp"]) < since:
        return False
    states = [s.get("state") or {} for s in status.get("containerStatuses") or []]
    created = states and not any((state.get("waiting") or {}).get("reason") in _STARTING for state in states)
    return bool(pod["spec"].get("nodeName")) and not created


def _world(api: Api, wanted: Iterable[Fault], namespaces: Sequence[str]) -> World:
    sights = [sight for f in wanted if (sight := faults.sight(f.use)) is not None]
    kinds = sorted({kind for sight in sights for kind in sight.kinds})
    reads = [(api.resource(_CORE.get(kind, ""), kind), space) for kind in kinds for space in namespaces]
    world: World = {kind: [] for kind in kinds}
    for (resource, _), found in zip(reads, api.together(lambda read: api.items(*read), reads), strict=True):
        world[resource.kind] += found
    return world
