"""A Service sends to a port name that no container has (F3): endpoints without ports."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._seen import no_ports
from labs.inject.faults._target import find

NUMBER = 3
SYMPTOM = "endpoints are there, and the EndpointSlice has no ports"
SEEN = no_ports()


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        service: Name of the Service.
        name: The port name that no container has.
        port: Service port that is broken; default: all of them.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    name: str = "htpp"
    port: int | None = None
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the target port in place."""
    service = find(manifests, "Service", params.service, params.namespace)
    ports = [p for p in service["spec"].get("ports", []) if params.port in {None, p["port"]}]
    if not ports:
        raise DataError(f"Service `{params.service}` has no port {params.port}")
    for port in ports:
        port["targetPort"] = params.name
