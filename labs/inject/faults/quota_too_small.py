"""A ResourceQuota leaves too little room (F14, F25): the ReplicaSet says `exceeded quota`, and no pod appears."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import existing

NUMBER = 25
SYMPTOM = "FailedCreate: exceeded quota"
SEEN = event("FailedCreate", "exceeded quota", "must specify")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: Where.
        hard: Limits, such as `requests.cpu: 300m`; added to the quota's own where it is there already.
        name: Name of the ResourceQuota; it is made where the manifests have none.
    """

    namespace: str
    hard: dict[str, str] = Field(min_length=1)
    name: str = "team-quota"


def transform(manifests: list[Json], params: Params) -> None:
    """Shrink the quota in place, or add it."""
    found = existing(manifests, "ResourceQuota", params.name, params.namespace)
    if found is not None:
        found["spec"].setdefault("hard", {}).update(params.hard)
        return
    manifests.append(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": params.name, "namespace": params.namespace},
            "spec": {"hard": dict(params.hard)},
        }
    )
