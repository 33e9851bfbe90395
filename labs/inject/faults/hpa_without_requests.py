"""The pods have no CPU request (F63): the autoscaler cannot compute their utilisation."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 63
SYMPTOM = "ScalingActive is False: FailedGetResourceMetric, missing request for cpu"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        resource: `cpu` or `memory`. The limit goes too, as it would become the request.
    """

    resource: str = "cpu"


def transform(manifests: list[Json], params: Params) -> None:
    """Take request and limit of every container away, in place."""
    for container in params.pod_spec(manifests)["containers"]:
        resources = container.get("resources", {})
        for part in ("requests", "limits"):
            resources.get(part, {}).pop(params.resource, None)
            if part in resources and not resources[part]:
                resources.pop(part)
