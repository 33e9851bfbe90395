"""The pods become ready and unready by turns, over time."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._target import Workload, readiness

NUMBER = 0
SYMPTOM = "readiness changes every few seconds, endpoints come and go"


_SCRIPT = "import sys, time; sys.exit(time.time() % float(sys.argv[1]) < float(sys.argv[2]))"
_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        every: Seconds of one turn.
        down: Seconds of it in which the pods are not ready.
    """

    every: float = Field(default=20, gt=1)
    down: float = Field(default=8, gt=0)


def transform(manifests: list[Json], params: Params) -> None:
    """Replace what the readiness probe asks, in place; how often it asks stays."""
    probe = readiness(params.container_of(manifests))
    for handler in _HANDLERS:
        probe.pop(handler, None)
    probe["exec"] = {"command": ["python3", "-c", _SCRIPT, f"{params.every:g}", f"{params.down:g}"]}
    probe["successThreshold"] = probe["failureThreshold"] = 1
