"""The readiness probe asks a port nobody listens on (F54): pods run and never become ready."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import unready
from labs.inject.faults._target import Workload, readiness

NUMBER = 54
SYMPTOM = "0/1 Ready: connection refused"
SEEN = unready()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        port: The wrong port, a number or the name of another port.
    """

    port: int | str = 8081


def transform(manifests: list[Json], params: Params) -> None:
    """Change the probe in place."""
    probe = readiness(params.container_of(manifests))
    handler = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
    if handler is None:
        raise DataError("the readinessProbe asks no port")
    handler["port"] = params.port
