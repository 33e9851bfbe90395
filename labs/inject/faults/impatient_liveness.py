"""The liveness probe does not wait for the model to load (F55): the container is killed again and again."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import event
from labs.inject.faults._target import Workload

NUMBER = 55
SYMPTOM = "restarts grow: Liveness probe failed"
SEEN = event("Unhealthy", "Liveness")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        path: Path the probe asks, which fails while the model loads.
        port: Its port; default: the container's first.
        period: Seconds between two tries.
        failures: Failures in a row that are too many.
    """

    path: str = "/v2/health/ready"
    port: int | str = ""
    period: int = 1
    failures: int = 1


def transform(manifests: list[Json], params: Params) -> None:
    """Set the liveness probe and take the startup probe away, in place."""
    container = params.container_of(manifests)
    container.pop("startupProbe", None)
    ports = container.get("ports") or []
    if not params.port and not ports:
        raise DataError(f"container `{container['name']}` names no port", hint="say which `port` the probe asks")
    container["livenessProbe"] = {
        "httpGet": {"path": params.path, "port": params.port or ports[0]["containerPort"]},
        "periodSeconds": params.period,
        "timeoutSeconds": 1,
        "failureThreshold": params.failures,
    }
