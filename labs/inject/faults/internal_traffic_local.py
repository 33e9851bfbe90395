"""A Service keeps traffic on the client's node (F11): it works from some nodes only."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 11
SYMPTOM = "the Service answers on nodes that have one of its pods, and nowhere else"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        service: Name of the Service.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the policy in place."""
    find(manifests, "Service", params.service, params.namespace)["spec"]["internalTrafficPolicy"] = "Local"
