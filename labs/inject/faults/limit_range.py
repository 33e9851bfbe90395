"""A LimitRange allows less than the containers ask for (F26): pods are refused."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import add

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
    for manifest in manifests:
        meta = manifest["metadata"]
        if (manifest["kind"], meta["name"], meta.get("namespace")) == ("LimitRange", params.name, params.namespace):
            for limit in manifest["spec"]["limits"]:
                if limit["type"] == "Container":
                    limit.setdefault("max", {}).update(params.maximum)
                    return
            manifest["spec"]["limits"].append({"type": "Container", "max": dict(params.maximum)})
            return
    add(
        manifests,
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": params.name, "namespace": params.namespace},
            "spec": {"limits": [{"type": "Container", "max": dict(params.maximum)}]},
        },
    )
