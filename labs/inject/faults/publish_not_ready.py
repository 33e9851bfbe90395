"""A Service sends traffic to pods that are not ready (F12): clients meet models that still load."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import ServiceOf

NUMBER = 12
SYMPTOM = "addresses of pods that are not ready get traffic"


class Params(ServiceOf):
    """What a scenario says in `with`."""


def transform(manifests: list[Json], params: Params) -> None:
    """Set the field in place."""
    params.find(manifests)["spec"]["publishNotReadyAddresses"] = True
