"""A required node affinity to a zone without nodes (F16): the pods stay Pending."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 16
SYMPTOM = "Pending: didn't match Pod's node affinity"
SEEN = unscheduled("node affinity")


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        key: Label of the nodes.
        values: Values that no node has.
    """

    key: str = "topology.kubernetes.io/zone"
    values: tuple[str, ...] = Field(min_length=1)


def transform(manifests: list[Json], params: Params) -> None:
    """Add the expression to every term in place; one over the same key is replaced."""
    affinity = params.pod_spec(manifests).setdefault("affinity", {}).setdefault("nodeAffinity", {})
    terms = affinity.setdefault(_REQUIRED, {"nodeSelectorTerms": [{}]})["nodeSelectorTerms"]
    for term in terms:
        others = [e for e in term.get("matchExpressions", []) if e["key"] != params.key]
        mine = {"key": params.key, "operator": "In", "values": list(params.values)}
        term["matchExpressions"] = [*others, mine]
