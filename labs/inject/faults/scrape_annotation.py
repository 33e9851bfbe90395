"""The annotation that tells where the metrics are is wrong (F86): the target is not found."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 86
SYMPTOM = "the target is missing or down"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        annotation: Which annotation of the pods.
        value: Its wrong value; empty: it is taken away.
    """

    annotation: str = "prometheus.io/port"
    value: str = "9090"


def transform(manifests: list[Json], params: Params) -> None:
    """Change the annotation in place."""
    meta = params.template(manifests).setdefault("metadata", {})
    if params.value:
        meta.setdefault("annotations", {})[params.annotation] = params.value
        return
    meta.get("annotations", {}).pop(params.annotation, None)
    if not meta.get("annotations"):
        meta.pop("annotations", None)
