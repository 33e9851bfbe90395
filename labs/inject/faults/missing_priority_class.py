"""The pods name a PriorityClass that is not there (F21): they are refused."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import event
from labs.inject.faults._target import Workload

NUMBER = 21
SYMPTOM = "FailedCreate: no PriorityClass with name … was found"
SEEN = event("FailedCreate", "no PriorityClass")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The class nobody has made.
    """

    name: str = "inference-critical"


def transform(manifests: list[Json], params: Params) -> None:
    """Name the class in place."""
    spec = params.pod_spec(manifests)
    spec.pop("priority", None)
    spec["priorityClassName"] = params.name
