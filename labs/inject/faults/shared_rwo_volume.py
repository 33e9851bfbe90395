"""Several pods share a volume that only one may use (F36): the others stay Pending."""

from __future__ import annotations

from typing import Literal

from grader.model import Json, Spec
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import find

NUMBER = 36
SYMPTOM = "one pod runs; others are Pending: the claim is in use"
SEEN = unscheduled("ReadWriteOncePod")


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        claim: Name of the PersistentVolumeClaim that the pods share.
        mode: Its access mode. `ReadWriteOnce` holds pods on one node only where volumes are attached to nodes;
            `ReadWriteOncePod` is kept by the scheduler everywhere.
        namespace: Its namespace, where the name alone does not say.
    """

    claim: str
    mode: Literal["ReadWriteOnce", "ReadWriteOncePod"] = "ReadWriteOncePod"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the access mode in place."""
    claim = find(manifests, "PersistentVolumeClaim", params.claim, params.namespace)
    claim["spec"]["accessModes"] = [params.mode]
