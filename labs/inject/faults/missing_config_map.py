"""The workload refers to a ConfigMap or Secret that is not there (F27): its containers cannot be made."""

from __future__ import annotations

from typing import Literal

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._references import references
from labs.inject.faults._seen import event, waiting
from labs.inject.faults._target import Workload

NUMBER = 27
SYMPTOM = "CreateContainerConfigError, or FailedMount for a volume"
SEEN = waiting("CreateContainerConfigError") | event("FailedMount", "not found")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The ConfigMap or Secret it refers to now.
        wrong: The name nobody has; default: the name with `-v2`.
        kind: Which of the two it is.
    """

    name: str
    wrong: str = ""
    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"


def transform(manifests: list[Json], params: Params) -> None:
    """Change every reference of the workload in place."""
    wrong = params.wrong or f"{params.name}-v2"
    found = list(references(params.pod_spec(manifests), params.kind))
    if not any(holder[key] in {params.name, wrong} for holder, key in found):
        raise DataError(f"the workload refers to no {params.kind} `{params.name}`")
    for holder, key in found:
        if holder[key] == params.name:
            holder[key] = wrong
