"""The autoscaler may not scale up (F66): its most is its least, or scaling up is off."""

from __future__ import annotations

from typing import Literal

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 66
SYMPTOM = "ScalingLimited; the number of replicas never rises"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        autoscaler: Name of the HorizontalPodAutoscaler.
        by: `max`: the most is the least; `behavior`: scaling up is disabled.
        namespace: Its namespace, where the name alone does not say.
    """

    autoscaler: str
    by: Literal["max", "behavior"] = "max"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the bounds or the behaviour in place."""
    spec = find(manifests, "HorizontalPodAutoscaler", params.autoscaler, params.namespace)["spec"]
    if params.by == "max":
        spec["maxReplicas"] = spec.get("minReplicas", 1)
    else:
        spec.setdefault("behavior", {}).setdefault("scaleUp", {})["selectPolicy"] = "Disabled"
