"""A Service sends traffic to pods that are not ready (F12): clients meet models that still load."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 12
SYMPTOM = "addresses of pods that are not ready get traffic"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        service: Name of the Service.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Set the field in place."""
    find(manifests, "Service", params.service, params.namespace)["spec"]["publishNotReadyAddresses"] = True
