"""A Service keeps traffic on the client's node (F11): it works from some nodes only."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import ServiceOf

NUMBER = 11
SYMPTOM = "the Service answers on nodes that have one of its pods, and nowhere else"


class Params(ServiceOf):
    """What a scenario says in `with`."""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the policy in place."""
    params.find(manifests)["spec"]["internalTrafficPolicy"] = "Local"
