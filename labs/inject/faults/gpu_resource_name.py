"""The GPU is asked for under a name that no node offers (F68): the pods stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._gpu import GPU, rename
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 68
SYMPTOM = "Pending: Insufficient nvidia.com/gpus"
SEEN = unscheduled("Insufficient")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        resource: What the container asks for now.
        wrong: What nobody offers.
    """

    resource: str = GPU
    wrong: str = "nvidia.com/gpus"


def transform(manifests: list[Json], params: Params) -> None:
    """Change requests and limits in place."""
    rename(params.container_of(manifests), params.resource, params.wrong)
