"""The server fails a share of its requests."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._switches import set_switch
from labs.inject.faults._target import Workload

NUMBER = 0
SYMPTOM = "some requests get 500, the pod is ready"


class Params(Workload):
    """What a scenario says in `with`. The container is the labs' inference server.

    Attributes:
        share: Share of requests, 0 to 1.
    """

    share: float = Field(default=0.3, gt=0, le=1)


def transform(manifests: list[Json], params: Params) -> None:
    """Set the server's switch in place."""
    set_switch(params.container_of(manifests), "FAULT_ERROR_RATE", params.share)
