"""The pods want a RuntimeClass that is not there (F72): they are refused."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import event
from labs.inject.faults._target import Workload

NUMBER = 72
SYMPTOM = "FailedCreate: RuntimeClass not found"
SEEN = event("FailedCreate", "RuntimeClass")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The class nobody has made.
    """

    name: str = "nvidia"


def transform(manifests: list[Json], params: Params) -> None:
    """Name the class in place."""
    params.pod_spec(manifests)["runtimeClassName"] = params.name
