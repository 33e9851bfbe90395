"""The autoscaler scales something that is not there (F62)."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._seen import condition
from labs.inject.faults._target import find

NUMBER = 62
SYMPTOM = "AbleToScale is False: FailedGetScale"
SEEN = condition("HorizontalPodAutoscaler", "autoscaler", "AbleToScale", "FailedGetScale")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        autoscaler: Name of the HorizontalPodAutoscaler.
        target: The wrong name.
        namespace: Its namespace, where the name alone does not say.
    """

    autoscaler: str
    target: str
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the reference in place."""
    scaler = find(manifests, "HorizontalPodAutoscaler", params.autoscaler, params.namespace)
    scaler["spec"]["scaleTargetRef"]["name"] = params.target
