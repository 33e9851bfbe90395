"""The pods must spread over a topology whose label no node has (F19): they stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 19
SYMPTOM = "Pending: didn't match pod topology spread constraints"
SEEN = unscheduled("topology spread")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        topology_key: Label that the nodes lack.
        max_skew: Allowed difference between two values of it.
    """

    topology_key: str = "topology.labs.io/rack"
    max_skew: int = 1


def transform(manifests: list[Json], params: Params) -> None:
    """Add the constraint in place, or sharpen the one over the same key."""
    template = params.template(manifests)
    labels = template["metadata"].get("labels")
    if not labels:
        raise DataError("the workload's pods have no labels to spread by")
    constraints = template["spec"].setdefault("topologySpreadConstraints", [])
    rule = {
        "maxSkew": params.max_skew,
        "topologyKey": params.topology_key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": dict(labels)},
    }
    same = [c for c in constraints if c["topologyKey"] == params.topology_key]
    if same:
        same[0].update(rule)
    else:
        constraints.append(rule)
