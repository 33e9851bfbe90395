"""The namespace enforces a Pod Security Standard that the pods do not meet (F39): they are refused."""

from __future__ import annotations

from typing import Literal

from grader.model import Json, Spec
from labs.inject.faults._seen import event

NUMBER = 39
SYMPTOM = "FailedCreate: violates PodSecurity"
SEEN = event("FailedCreate", "violates PodSecurity")


_LABEL = "pod-security.kubernetes.io/enforce"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        namespace: The namespace; its manifest is added where there is none.
        level: The standard.
        version: Its version.
    """

    namespace: str
    level: Literal["baseline", "restricted"] = "restricted"
    version: str = "latest"


def transform(manifests: list[Json], params: Params) -> None:
    """Set the labels in place."""
    wanted = {_LABEL: params.level, f"{_LABEL}-version": params.version}
    for manifest in manifests:
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Namespace", params.namespace):
            manifest["metadata"].setdefault("labels", {}).update(wanted)
            return
    manifests.append(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": params.namespace, "labels": wanted}}
    )
