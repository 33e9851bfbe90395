"""An egress policy forgets port 53 (F5): names do not resolve, addresses work."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._target import add

NUMBER = 5
SYMPTOM = "names do not resolve inside the pods"


_DNS = 53


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: Where.
        name: Name of the NetworkPolicy. If the manifests have it, port 53 is taken out of its egress rules; otherwise
            one is made that allows `ports`.
        pods: For a new one: labels of the pods it is about; default: all of the namespace.
        ports: For a new one: TCP ports that are allowed, to everywhere.
    """

    namespace: str
    name: str = "egress"
    pods: dict[str, str] = Field(default_factory=dict)
    ports: tuple[int, ...] = Field(default=(80, 443, 8000), min_length=1)


def transform(manifests: list[Json], params: Params) -> None:
    """Take DNS out of the policy in place, or add one without it."""
    for manifest in manifests:
        meta = manifest["metadata"]
        if (manifest["kind"], meta["name"], meta.get("namespace")) == ("NetworkPolicy", params.name, params.namespace):
            manifest["spec"]["egress"] = [r for rule in manifest["spec"].get("egress", []) for r in _without(rule)]
            return
    selector = {"matchLabels": dict(params.pods)} if params.pods else {}
    ports = [{"protocol": "TCP", "port": port} for port in params.ports if port != _DNS]
    add(
        manifests,
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": params.name, "namespace": params.namespace},
            "spec": {"podSelector": selector, "policyTypes": ["Egress"], "egress": [{"ports": ports}]},
        },
    )


def _without(rule: Json) -> list[Json]:
    ports = rule.get("ports")
    if not ports:
        raise DataError("a rule of the policy allows every port", hint="list its ports, so that 53 can be missing")
    kept = [p for p in ports if p.get("port") != _DNS]
    return [{**rule, "ports": kept}] if kept else []
