"""A claim asks for a device that no driver offers (F73): it is never allocated, and its pod stays Pending.

The devices are what ResourceSlices say, and the scheduler allocates them by itself; a driver is needed only to start
the pod afterwards.
"""

from __future__ import annotations

from typing import Any

from grader.model import Json, Spec
from labs.errors import DataError
from labs.inject.faults._seen import Seen
from labs.inject.faults._target import existing, find

NUMBER = 73
SYMPTOM = "Pending: cannot allocate all claims"
_WORDS = "cannot allocate all claims"


def _waits(world: dict[str, list[Json]], params: Any) -> bool:
    """Whether a pod with this claim, or one made from this template, is on no node for want of a device."""
    return any(
        c["type"] == "PodScheduled" and c["status"] == "False" and _WORDS in c.get("message", "")
        for pod in world["Pod"]
        if any(params.claim in claim.values() for claim in pod["spec"].get("resourceClaims") or [])
        for c in pod["status"].get("conditions") or []
    )


SEEN = Seen(("Pod",), _waits)


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        claim: Name of the ResourceClaim or ResourceClaimTemplate.
        expression: The CEL expression that no device fits, such as
            `device.capacity["gpu.nvidia.com"].memory.isGreaterThan(quantity("80Gi"))`.
        namespace: Its namespace, where the name alone does not say.
        request: Name of the request in it; default: the first.
    """

    claim: str
    expression: str
    namespace: str = ""
    request: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Replace the selectors of the request in place."""
    for request in _requests(manifests, params):
        if params.request in {"", request["name"]}:
            asked = request.get("exactly", request)
            asked["selectors"] = [{"cel": {"expression": params.expression}}]
            return
    raise DataError(f"the claim `{params.claim}` has no request `{params.request}`")


def _requests(manifests: list[Json], params: Params) -> list[Json]:
    for space in {params.namespace} if params.namespace else {m["metadata"].get("namespace") for m in manifests}:
        template = existing(manifests, "ResourceClaimTemplate", params.claim, space)
        if template:
            found: list[Json] = template["spec"]["spec"]["devices"]["requests"]
            return found
    claim: list[Json] = find(manifests, "ResourceClaim", params.claim, params.namespace)["spec"]["devices"]["requests"]
    return claim
