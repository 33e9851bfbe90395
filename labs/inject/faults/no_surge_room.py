"""A rollout must first add a pod, and the quota has no room for one (F57): it never moves."""

from __future__ import annotations

from pydantic import Field

from grader.model import Json, Spec
from labs.inject.faults._seen import event
from labs.inject.faults._target import find
from labs.inject.faults.quota_too_small import Params as Quota
from labs.inject.faults.quota_too_small import transform as shrink

NUMBER = 57
SYMPTOM = "the new ReplicaSet says FailedCreate: exceeded quota; the old pods stay"
SEEN = event("FailedCreate", "exceeded quota")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        deployment: Name of the Deployment.
        hard: Limits of the quota that hold the replicas and no pod more, as `pods: "2"`.
        quota: Name of the ResourceQuota; it is made where the manifests have none.
        release: Annotation `labs.io/release` of the pod template, whose change begins a rollout when the fault is used
            with `when: made` or `ready`.
        namespace: Its namespace, where the name alone does not say.
    """

    deployment: str
    hard: dict[str, str] = Field(min_length=1)
    quota: str = "team-quota"
    release: str = "2"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change strategy, template and quota in place."""
    deployment = find(manifests, "Deployment", params.deployment, params.namespace)
    spec = deployment["spec"]
    spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec["template"]["metadata"].setdefault("annotations", {})["labs.io/release"] = params.release
    namespace = deployment["metadata"].get("namespace", "")
    shrink(manifests, Quota(namespace=namespace, hard=params.hard, name=params.quota))
