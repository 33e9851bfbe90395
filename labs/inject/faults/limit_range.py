"""A LimitRange allows less than the containers ask for (F26): pods are refused."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import existing

NUMBER = 26
SYMPTOM = "FailedCreate: maximum usage per Container is exceeded"
SEEN = event("FailedCreate", "maximum")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: Where.
        maximum: Largest limit of a container, such as `memory: 64Mi`.
        name: Name of the LimitRange; it is made where the manifests have none.
    """

    namespace: str
    maximum: dict[str, str] = Field(min_length=1)
    name: str = "container-limits"


def transform(manifests: list[Json], params: Params) -> None:
    """Lower the maximum in place, or add the LimitRange."""
    found = existing(manifests, "LimitRange", params.name, params.namespace)
    if found is None:
        found = {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": params.name, "namespace": params.namespace},
            "spec": {"limits": []},
        }
        manifests.append(found)
    limits: list[Json] = found["spec"]["limits"]
    of_containers = next((limit for limit in limits if limit["type"] == "Container"), None)
    if of_containers is None:
        limits.append({"type": "Container", "max": dict(params.maximum)})
    else:
        of_containers.setdefault("max", {}).update(params.maximum)
