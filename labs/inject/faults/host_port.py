"""Every replica wants the same port of its node (F13): one pod per node runs, the rest is Pending."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 13
SYMPTOM = "one pod runs, others are Pending: didn't have free ports"
SEEN = unscheduled("free ports")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        replicas: Number of replicas to set; 0 leaves it.
    """

    replicas: int = 0


def transform(manifests: list[Json], params: Params) -> None:
    """Ask for the port in place: the number of the container's first one."""
    container = params.container_of(manifests)
    ports = container.get("ports") or []
    if not ports:
        raise DataError(f"container `{container['name']}` names no port")
    ports[0]["hostPort"] = ports[0]["containerPort"]
    if params.replicas:
        params.find(manifests)["spec"]["replicas"] = params.replicas
