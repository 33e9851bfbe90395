"""A container that must not be root runs as root (F38): it is not made."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import waiting
from labs.inject.faults._target import Workload

NUMBER = 38
SYMPTOM = "CreateContainerConfigError: the container would run as root"
SEEN = waiting("CreateContainerConfigError")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        user: `runAsUser` of the container; empty (null): none is set, for an image whose own user is root.
    """

    user: int | None = 0


def transform(manifests: list[Json], params: Params) -> None:
    """Change the container's securityContext in place; without a user, also the pod's."""
    context = params.container_of(manifests).setdefault("securityContext", {})
    context["runAsNonRoot"] = True
    if params.user is not None:
        context["runAsUser"] = params.user
        return
    context.pop("runAsUser", None)
    params.pod_spec(manifests).get("securityContext", {}).pop("runAsUser", None)
