"""Batch work has a higher priority than the service (F22): it pushes the service's pods off the nodes."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 22
SYMPTOM = "Preempted events; pods of the service are Pending"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        priority_class: Name of the batch work's PriorityClass.
        value: Its value, above that of the service's class.
    """

    priority_class: str
    value: int = 1_000_000


def transform(manifests: list[Json], params: Params) -> None:
    """Change the value in place."""
    find(manifests, "PriorityClass", params.priority_class)["value"] = params.value
