"""The pod gets no token (F49): its client cannot tell the API server who it is."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 49
SYMPTOM = "the client finds no token file, or is `system:anonymous`"


class Params(Workload):
    """What a scenario says in `with`: the workload."""


def transform(manifests: list[Json], params: Params) -> None:
    """Set the field in place."""
    params.pod_spec(manifests)["automountServiceAccountToken"] = False
