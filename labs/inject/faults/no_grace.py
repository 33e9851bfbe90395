"""Pods get no time to end (F61): requests in flight are dropped in every rollout."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 61
SYMPTOM = "failed requests while pods are replaced"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        seconds: Grace period.
    """

    seconds: int = 1


def transform(manifests: list[Json], params: Params) -> None:
    """Shorten the grace period and take `preStop` hooks away, in place."""
    spec = params.pod_spec(manifests)
    spec["terminationGracePeriodSeconds"] = params.seconds
    for container in spec["containers"]:
        lifecycle = container.get("lifecycle", {})
        lifecycle.pop("preStop", None)
        if not lifecycle:
            container.pop("lifecycle", None)
