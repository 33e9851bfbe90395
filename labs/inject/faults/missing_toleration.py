"""A workload for a tainted pool lacks its toleration (F17): its pods stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 17
SYMPTOM = "Pending: node(s) had untolerated taint"
SEEN = unscheduled("taint")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        key: Taint key whose toleration is taken away; tolerations without a key go too, as they match every taint.
    """

    key: str = "nvidia.com/gpu"


def transform(manifests: list[Json], params: Params) -> None:
    """Remove the toleration in place."""
    spec = params.pod_spec(manifests)
    kept = [t for t in spec.get("tolerations", []) if t.get("key", params.key) != params.key]
    spec.pop("tolerations", None)
    if kept:
        spec["tolerations"] = kept
