"""The Deployment is paused (F59): changes of its template do nothing."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._target import find

NUMBER = 59
SYMPTOM = "no new ReplicaSet, DeploymentPaused"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        deployment: Name of the Deployment.
        namespace: Its namespace, where the name alone does not say.
    """

    deployment: str
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Set the field in place."""
    find(manifests, "Deployment", params.deployment, params.namespace)["spec"]["paused"] = True
