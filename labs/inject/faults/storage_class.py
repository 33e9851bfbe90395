"""A claim wants a StorageClass that is not there (F35): it stays Pending, and so do its pods."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._seen import event
from labs.inject.faults._target import find

NUMBER = 35
SYMPTOM = "the PersistentVolumeClaim is Pending: storageclass not found"
SEEN = event("ProvisioningFailed", "not found")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        claim: Name of the PersistentVolumeClaim, or of the StatefulSet's claim template.
        storage_class: The class nobody has made.
        statefulset: StatefulSet whose template it is; empty: a claim of its own.
        namespace: Its namespace, where the name alone does not say.
    """

    claim: str
    storage_class: str = "fast-ssd"
    statefulset: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the class in place."""
    if not params.statefulset:
        claim = find(manifests, "PersistentVolumeClaim", params.claim, params.namespace)
        claim["spec"]["storageClassName"] = params.storage_class
        return
    workload = find(manifests, "StatefulSet", params.statefulset, params.namespace)
    for template in workload["spec"].get("volumeClaimTemplates") or []:
        if template["metadata"]["name"] == params.claim:
            template["spec"]["storageClassName"] = params.storage_class
            return
    raise DataError(f"StatefulSet `{params.statefulset}` has no claim template `{params.claim}`")
