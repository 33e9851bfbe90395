"""A NetworkPolicy denies everything and nobody is allowed back in (F4): clients run into time-outs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._target import add

NUMBER = 4
SYMPTOM = "connections to the pods time out"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: Where.
        name: Name of the NetworkPolicy.
        pods: Labels of the pods it is about; default: all of the namespace.
        directions: What is denied.
    """

    namespace: str
    name: str = "default-deny"
    pods: dict[str, str] = Field(default_factory=dict)
    directions: tuple[Literal["Ingress", "Egress"], ...] = ("Ingress",)


def transform(manifests: list[Json], params: Params) -> None:
    """Add the policy in place."""
    selector = {"matchLabels": dict(params.pods)} if params.pods else {}
    add(
        manifests,
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": params.name, "namespace": params.namespace},
            "spec": {"podSelector": selector, "policyTypes": list(params.directions)},
        },
    )
