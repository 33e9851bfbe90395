"""The pods wait for a scheduler that does not run (F23): Pending, and no event says why."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import ignored
from labs.inject.faults._target import Workload

NUMBER = 23
SYMPTOM = "Pending without events"
SEEN = ignored()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The scheduler nobody runs.
    """

    name: str = "gpu-scheduler"


def transform(manifests: list[Json], params: Params) -> None:
    """Name the scheduler in place."""
    params.pod_spec(manifests)["schedulerName"] = params.name
