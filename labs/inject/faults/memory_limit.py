"""The memory limit is smaller than what the server needs (F40): OOMKilled, exit code 137."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import waiting
from labs.inject.faults._target import Workload

NUMBER = 40
SYMPTOM = "OOMKilled, exit code 137"
SEEN = waiting("OOMKilled", "StartError")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        limit: The limit; the request is lowered to it, as the API server refuses a request above the limit.
    """

    limit: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change limit and request in place."""
    resources = params.container_of(manifests).setdefault("resources", {})
    resources.setdefault("limits", {})["memory"] = params.limit
    if "memory" in resources.get("requests", {}):
        resources["requests"]["memory"] = params.limit
