"""A MIG slice is asked for by a profile that no node offers (F74): the pods stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._gpu import rename
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 74
SYMPTOM = "Pending: Insufficient nvidia.com/mig-…"
SEEN = unscheduled("Insufficient")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        resource: What the container asks for now.
        wrong: What nobody offers.
    """

    resource: str = "nvidia.com/mig-1g.10gb"
    wrong: str = "nvidia.com/mig-1g.20gb"


def transform(manifests: list[Json], params: Params) -> None:
    """Change requests and limits in place."""
    rename(params.container_of(manifests), params.resource, params.wrong)
