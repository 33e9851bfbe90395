"""A Service sends to a port name that no container has (F3): endpoints without ports."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import no_ports
from labs.inject.faults._target import ServicePort

NUMBER = 3
SYMPTOM = "endpoints are there, and the EndpointSlice has no ports"
SEEN = no_ports()


class Params(ServicePort):
    """What a scenario says in `with`.

    Attributes:
        name: The port name that no container has.
    """

    name: str = "htpp"


def transform(manifests: list[Json], params: Params) -> None:
    """Change the target port in place."""
    params.send_to(manifests, params.name)
