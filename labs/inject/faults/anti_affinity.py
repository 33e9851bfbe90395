"""No two of the pods may share a node (F18): with more replicas than nodes some stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 18
SYMPTOM = "some pods are Pending: didn't match pod anti-affinity rules"
SEEN = unscheduled("anti-affinity")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        topology_key: What the pods must not share.
        replicas: Number of replicas to set; 0 leaves it.
    """

    topology_key: str = "kubernetes.io/hostname"
    replicas: int = 0


def transform(manifests: list[Json], params: Params) -> None:
    """Add the required rule, and set the replicas, in place."""
    template = params.template(manifests)
    labels = template["metadata"].get("labels")
    if not labels:
        raise DataError("the workload's pods have no labels to keep apart")
    affinity = template["spec"].setdefault("affinity", {}).setdefault("podAntiAffinity", {})
    rules = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", [])
    rule = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": params.topology_key}
    if rule not in rules:
        rules.append(rule)
    if params.replicas:
        params.find(manifests)["spec"]["replicas"] = params.replicas
