"""A new revision cannot run (F58): the rollout exceeds its deadline and the old pods go on serving."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.inject.faults._seen import condition
from labs.inject.faults._target import Workload, find
from labs.inject.faults.image_tag import retagged

NUMBER = 58
SYMPTOM = "Progressing is False: ProgressDeadlineExceeded"
SEEN = condition("Deployment", "deployment", "Progressing", "ProgressDeadlineExceeded")


class Params(Spec):
    """What a scenario says in `with`. Use it with `when: made` or `ready`, so that there is a good revision before.

    Attributes:
        deployment: Name of the Deployment.
        tag: Tag of the new revision's image, which was never pushed.
        deadline: Seconds until the rollout counts as failed.
        container: Name of the container; default: the first.
        namespace: Its namespace, where the name alone does not say.
    """

    deployment: str
    tag: str
    deadline: int = 10
    container: str = ""
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the image, the deadline and the change cause in place."""
    deployment = find(manifests, "Deployment", params.deployment, params.namespace)
    target = Workload(deployment=params.deployment, namespace=params.namespace, container=params.container)
    container = target.container_of(manifests)
    container["image"] = retagged(container["image"], params.tag)
    deployment["spec"]["progressDeadlineSeconds"] = params.deadline
    annotations = deployment["metadata"].setdefault("annotations", {})
    annotations["kubernetes.io/change-cause"] = f"image tag {params.tag}"
