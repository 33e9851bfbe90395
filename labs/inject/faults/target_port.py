"""A Service sends to a port nothing listens on (F2), or to a port name no container has (F3)."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 2
SYMPTOM = "connection refused through the Service"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        service: Name of the Service.
        target_port: The wrong port, a number or a name.
        port: Service port that is broken; default: all of them.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    target_port: int | str
    port: int | None = None
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the target port in place."""
    service = find(manifests, "Service", params.service, params.namespace)
    ports = [p for p in service["spec"].get("ports", []) if params.port in {None, p["port"]}]
    if not ports:
        raise DataError(f"Service `{params.service}` has no port {params.port}")
    for port in ports:
        port["targetPort"] = params.target_port
