"""The server takes long to load its model."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._seen import unready
from labs.inject.faults._switches import set_switch
from labs.inject.faults._target import Workload

NUMBER = 0
SYMPTOM = "the pod is not ready for a long time after it starts"
SEEN = unready()


class Params(Workload):
    """What a scenario says in `with`. The container is the labs' inference server.

    Attributes:
        seconds: Seconds before the first model is loaded.
    """

    seconds: float = Field(default=30.0, gt=0)


def transform(manifests: list[Json], params: Params) -> None:
    """Set the server's switch in place."""
    set_switch(params.container_of(manifests), "FAULT_LOAD_DELAY_SECONDS", params.seconds)
