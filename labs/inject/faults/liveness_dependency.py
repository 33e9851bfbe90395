"""The liveness probe asks another service (F56): when that one is down, healthy pods are killed."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import event
from labs.inject.faults._target import Workload

NUMBER = 56
SYMPTOM = "restarts of healthy containers while a dependency is down"
SEEN = event("Unhealthy", "Liveness")


_SCRIPT = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=1)"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        url: What the probe asks, as `http://features:8080/healthz`.
        period: Seconds between two tries.
        failures: Failures in a row that are too many.
    """

    url: str
    period: int = 2
    failures: int = 2


def transform(manifests: list[Json], params: Params) -> None:
    """Set the liveness probe in place."""
    params.container_of(manifests)["livenessProbe"] = {
        "exec": {"command": ["python3", "-c", _SCRIPT, params.url]},
        "periodSeconds": params.period,
        "timeoutSeconds": 2,
        "failureThreshold": params.failures,
    }
