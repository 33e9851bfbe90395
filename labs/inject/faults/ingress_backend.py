"""An Ingress leads nowhere (F8): its backend, or its class, is one that is not there."""

from __future__ import annotations

from pydantic import model_validator

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import find

NUMBER = 8
SYMPTOM = "404 or 503 through the Ingress, right answers through the Service"


class Params(Spec):
    """What a scenario says in `with`. At least one of the three.

    Attributes:
        ingress: Name of the Ingress.
        service: Wrong Service of every backend.
        port: Wrong port of every backend, a number or a name.
        ingress_class: A class that is not there.
        namespace: Its namespace, where the name alone does not say.
    """

    ingress: str
    service: str = ""
    port: int | str = ""
    ingress_class: str = ""
    namespace: str = ""

    @model_validator(mode="after")
    def _some(self) -> Params:
        if not self.service and not self.port and not self.ingress_class:
            raise ValueError("give `service`, `port` or `ingress_class`")
        return self


def transform(manifests: list[Json], params: Params) -> None:
    """Change class and backends in place."""
    spec = find(manifests, "Ingress", params.ingress, params.namespace)["spec"]
    if params.ingress_class:
        spec["ingressClassName"] = params.ingress_class
    if not params.service and not params.port:
        return
    paths = [path["backend"] for rule in spec.get("rules") or [] for path in (rule.get("http") or {}).get("paths", [])]
    backends = [b["service"] for b in [*paths, spec.get("defaultBackend") or {}] if "service" in b]
    if not backends:
        raise DataError(f"Ingress `{params.ingress}` has no backend that is a Service")
    for backend in backends:
        if params.service:
            backend["name"] = params.service
        if params.port:
            backend["port"] = {"number" if isinstance(params.port, int) else "name": params.port}
