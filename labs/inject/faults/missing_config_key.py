"""The workload wants a key that the ConfigMap or Secret does not have (F28): the volume is not mounted."""

from __future__ import annotations

from typing import Literal

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._references import keys
from labs.inject.faults._seen import event, waiting
from labs.inject.faults._target import Workload

NUMBER = 28
SYMPTOM = "ContainerCreating with FailedMount, or CreateContainerConfigError for a variable"
SEEN = waiting("CreateContainerConfigError") | event("FailedMount", "non-existent")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        name: The ConfigMap or Secret.
        key: The key the workload asks for now, by `items` of a volume or by `valueFrom`.
        wrong: The key that is not there.
        kind: Which of the two it is.
    """

    name: str
    key: str
    wrong: str
    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"


def transform(manifests: list[Json], params: Params) -> None:
    """Change every reference to the key in place."""
    found = list(keys(params.pod_spec(manifests), params.kind, params.name))
    if not any(item["key"] in {params.key, params.wrong} for item in found):
        raise DataError(f"the workload asks {params.kind} `{params.name}` for no key `{params.key}`")
    for item in found:
        if item["key"] == params.key:
            item["key"] = params.wrong
