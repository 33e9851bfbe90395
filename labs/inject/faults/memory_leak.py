"""The server keeps more memory every second, over time, until it is killed and starts again."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._switches import set_switch
from labs.inject.faults._target import Workload

NUMBER = 0
SYMPTOM = "memory grows, then OOMKilled, again and again"


class Params(Workload):
    """What a scenario says in `with`. The container is the labs' inference server.

    Attributes:
        mb_per_second: MiB per second.
    """

    mb_per_second: float = Field(default=1.0, gt=0)


def transform(manifests: list[Json], params: Params) -> None:
    """Set the server's switch in place."""
    set_switch(params.container_of(manifests), "FAULT_LEAK_MB_PER_SECOND", params.mb_per_second)
