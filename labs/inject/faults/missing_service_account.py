"""The pods run as a ServiceAccount that is not there (F45): they are refused."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import event
from labs.inject.faults._target import Workload

NUMBER = 45
SYMPTOM = "FailedCreate: serviceaccount not found"
SEEN = event("FailedCreate", "service account", "serviceaccount")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The name nobody has.
    """

    name: str


def transform(manifests: list[Json], params: Params) -> None:
    """Change the name in place; the old field `serviceAccount` goes, as both have to agree."""
    spec = params.pod_spec(manifests)
    spec.pop("serviceAccount", None)
    spec["serviceAccountName"] = params.name
