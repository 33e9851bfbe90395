"""A StatefulSet has no headless Service (F10): its pods have no names for each other."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import existing, find

NUMBER = 10
SYMPTOM = "names such as store-0.store do not resolve"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        statefulset: Name of the StatefulSet.
        service: Name of a Service that is not there, for its `serviceName`; default: that of the set with `-headless`.
        namespace: Its namespace, where the name alone does not say.
    """

    statefulset: str
    service: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the name in place.

    That its Service is no longer headless would be no such fault: CoreDNS goes on answering for the pods' names.
    """
    workload = find(manifests, "StatefulSet", params.statefulset, params.namespace)
    wrong = params.service or f"{params.statefulset}-headless"
    if existing(manifests, "Service", wrong, workload["metadata"].get("namespace")):
        raise DataError(f"there is a Service `{wrong}`, which names the pods", hint="give `service` another name")
    workload["spec"]["serviceName"] = wrong
