"""A pod wants more GPUs than any node has (F71): it stays Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._gpu import GPU
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload, set_env

NUMBER = 71
SYMPTOM = "Pending: Insufficient nvidia.com/gpu"
SEEN = unscheduled("Insufficient")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        count: How many.
        resource: Of what.
        env: Environment variable that tells the server how many it has, such as `TP_SIZE`; empty: none.
    """

    count: int = 4
    resource: str = GPU
    env: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change requests, limits and the variable in place."""
    container = params.container_of(manifests)
    resources = container.setdefault("resources", {})
    for part in ("requests", "limits"):
        if part == "limits" or params.resource in resources.get(part, {}):
            resources.setdefault(part, {})[params.resource] = str(params.count)
    if params.env:
        set_env(container, params.env, str(params.count))
