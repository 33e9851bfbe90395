"""The pods select a GPU model that was swapped for another (F75): they stay Pending."""

from __future__ import annotations

from grader.model import Json
from labs.inject.faults._seen import unscheduled
from labs.inject.faults._target import Workload

NUMBER = 75
SYMPTOM = "Pending: didn't match Pod's node affinity/selector"
SEEN = unscheduled("node affinity/selector")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        key: Label of the nodes that names the model.
        value: The old model, which no node has any more.
    """

    key: str = "nvidia.com/gpu.product"
    value: str = "NVIDIA-A100-SXM4-40GB"


def transform(manifests: list[Json], params: Params) -> None:
    """Change the selector in place."""
    params.pod_spec(manifests).setdefault("nodeSelector", {})[params.key] = params.value
