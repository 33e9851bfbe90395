"""A memory request that no node can meet (F14): pods stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 14
SYMPTOM = "Pending: Insufficient memory"
SEEN = unscheduled("Insufficient memory")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        request: The request; a limit is raised to it, as the API server refuses a request above the limit.
    """

    request: str = "512Gi"


def transform(manifests: list[Json], params: Params) -> None:
    """Change request and limit in place."""
    resources = params.container_of(manifests).setdefault("resources", {})
    resources.setdefault("requests", {})["memory"] = params.request
    if "memory" in resources.get("limits", {}):
        resources["limits"]["memory"] = params.request
