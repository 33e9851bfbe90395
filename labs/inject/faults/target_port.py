"""A Service sends to a port nothing listens on (F2), or to a port name no container has (F3)."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import ServicePort

NUMBER = 2
SYMPTOM = "connection refused through the Service"


class Params(ServicePort):
    """What a scenario says in `with`.

    Attributes:
        target_port: The wrong port, a number or a name.
    """

    target_port: int | str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the target port in place."""
    params.send_to(manifests, params.target_port)
