"""A PodDisruptionBudget demands every replica (F60): no pod may be evicted, no node drained."""

from __future__ import annotations

import copy

from grader.model import Json, Spec
from labs.inject.faults._seen import field
from labs.inject.faults._target import find

NUMBER = 60
SYMPTOM = "`disruptionsAllowed: 0`; a drain says `Cannot evict pod`"
SEEN = field(
    "PodDisruptionBudget", "name", lambda s: s.get("expectedPods", 0) > 0 and s.get("disruptionsAllowed", 0) == 0
)


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        deployment: Name of the Deployment.
        name: Name of the PodDisruptionBudget; it is made where the manifests have none.
        min_available: What it demands, a number or a share.
        namespace: Its namespace, where the name alone does not say.
    """

    deployment: str
    name: str
    min_available: int | str = "100%"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Raise the budget in place, or add one."""
    deployment = find(manifests, "Deployment", params.deployment, params.namespace)
    namespace = deployment["metadata"].get("namespace", "")
    for manifest in manifests:
        meta = manifest["metadata"]
        if (manifest["kind"], meta["name"], meta.get("namespace", "")) == (
            "PodDisruptionBudget",
            params.name,
            namespace,
        ):
            manifest["spec"].pop("maxUnavailable", None)
            manifest["spec"]["minAvailable"] = params.min_available
            return
    manifests.append(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": params.name, "namespace": namespace},
            "spec": {"minAvailable": params.min_available, "selector": copy.deepcopy(deployment["spec"]["selector"])},
        }
    )
