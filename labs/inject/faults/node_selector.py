"""The pods want nodes with a label that no node has (F15): they stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 15
SYMPTOM = "Pending: no node matches the pod's node selector"
SEEN = unscheduled("node affinity/selector")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        key: Label of the nodes.
        value: The value that no node has.
    """

    key: str = "pool"
    value: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the selector in place."""
    params.pod_spec(manifests).setdefault("nodeSelector", {})[params.key] = params.value
