"""A Service selects a label that no pod carries (F1): its EndpointSlice stays empty."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._seen import no_endpoints
from labs.inject.faults._target import find

NUMBER = 1
SYMPTOM = "the EndpointSlice is empty"
SEEN = no_endpoints()


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        service: Name of the Service.
        key: Label whose value is changed.
        value: The wrong value.
        namespace: Its namespace, where the name alone does not say.
    """

    service: str
    value: str
    key: str = "app"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the selector in place."""
    service = find(manifests, "Service", params.service, params.namespace)
    service["spec"].setdefault("selector", {})[params.key] = params.value
