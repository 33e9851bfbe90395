"""A scheduling gate was left on the pods (F24): no scheduler looks at them."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 24
SYMPTOM = "SchedulingGated"
SEEN = unscheduled(reason="SchedulingGated")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The gate.
    """

    name: str = "labs.io/capacity-review"


def transform(manifests: list[Json], params: Params) -> None:
    """Add the gate in place."""
    gates = params.pod_spec(manifests).setdefault("schedulingGates", [])
    if {"name": params.name} not in gates:
        gates.append({"name": params.name})
