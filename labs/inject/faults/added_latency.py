"""Every execution takes longer, so that load makes a queue."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._switches import set_switch
from labs.inject.faults._target import Workload

NUMBER = 0
SYMPTOM = "answers are slow, the queue grows with load"


class Params(Workload):
    """What a scenario says in `with`. The container is the labs' inference server.

    Attributes:
        seconds: Seconds added to each execution.
    """

    seconds: float = Field(default=0.3, gt=0)


def transform(manifests: list[Json], params: Params) -> None:
    """Set the server's switch in place."""
    set_switch(params.container_of(manifests), "FAULT_LATENCY_SECONDS", params.seconds)
