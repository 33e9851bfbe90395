"""A StatefulSet has no headless Service (F10): its pods have no names for each other."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 10
SYMPTOM = "names such as store-0.store do not resolve"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        statefulset: Name of the StatefulSet.
        service: Name of a Service that is not there, for its `serviceName`; empty: its Service stops being headless.
        namespace: Its namespace, where the name alone does not say.
    """

    statefulset: str
    service: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the name, or the Service, in place."""
    workload = find(manifests, "StatefulSet", params.statefulset, params.namespace)
    if params.service:
        workload["spec"]["serviceName"] = params.service
        return
    name = workload["spec"].get("serviceName", "")
    if not name:
        raise DataError(f"StatefulSet `{params.statefulset}` has no serviceName")
    find(manifests, "Service", name, workload["metadata"].get("namespace", ""))["spec"].pop("clusterIP", None)
