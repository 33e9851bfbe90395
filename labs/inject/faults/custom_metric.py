"""The autoscaler asks for a metric by a name that nobody serves (F65): it never learns a value and never scales."""

from __future__ import annotations

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._seen import condition
from labs.inject.faults._target import find

NUMBER = 65
SYMPTOM = "ScalingActive is False: FailedGetPodsMetric, FailedGetObjectMetric or FailedGetExternalMetric"
_KINDS = ("pods", "object", "external")
SEEN = condition(
    "HorizontalPodAutoscaler", "autoscaler", "ScalingActive", *(f"FailedGet{kind.title()}Metric" for kind in _KINDS)
)


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        autoscaler: Name of the HorizontalPodAutoscaler.
        metric: The wrong name.
        namespace: Its namespace, where the name alone does not say.
        of: The metric whose name is changed; default: the first that is none of the kubelet's (CPU, memory).
    """

    autoscaler: str
    metric: str
    namespace: str = ""
    of: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Rename the metric in place."""
    scaler = find(manifests, "HorizontalPodAutoscaler", params.autoscaler, params.namespace)
    metrics = [m[kind]["metric"] for m in scaler["spec"].get("metrics") or [] for kind in _KINDS if kind in m]
    if any(metric["name"] == params.metric for metric in metrics):
        return
    for metric in metrics:
        if params.of in {"", metric["name"]}:
            metric["name"] = params.metric
            return
    known = ", ".join(metric["name"] for metric in metrics) or "none but CPU and memory"
    raise DataError(f"the autoscaler `{params.autoscaler}` has no metric `{params.of}`", hint=f"it has {known}")
