"""The CPU limit is a hundredth of what the server needs (F41): it is throttled and its probes time out."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unready
from labs.inject.faults._target import Workload

NUMBER = 41
SYMPTOM = "slow start, probes time out, answers take seconds"
SEEN = unready()


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        limit: The limit; the request is lowered to it, as the API server refuses a request above the limit.
    """

    limit: str = "10m"


def transform(manifests: list[Json], params: Params) -> None:
    """Change limit and request in place."""
    resources = params.container_of(manifests).setdefault("resources", {})
    resources.setdefault("limits", {})["cpu"] = params.limit
    if "cpu" in resources.get("requests", {}):
        resources["requests"]["cpu"] = params.limit
