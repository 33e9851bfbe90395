"""The pull secret is missing or is not one (F33): the private registry refuses the pull."""

from __future__ import annotations

from grader.model import Json
from labs.errors import DataError
from labs.inject.faults._seen import waiting
from labs.inject.faults._target import Workload, find

NUMBER = 33
SYMPTOM = "ErrImagePull: 401 Unauthorized"
SEEN = waiting("ErrImagePull", "ImagePullBackOff")


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        secret: A name for `imagePullSecrets` to hold in place of the right one; empty: there is none.
        account: ServiceAccount that names the pull secret in place of the workload.
    """

    secret: str = ""
    account: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change `imagePullSecrets` in place."""
    holder = params.pod_spec(manifests)
    if params.account:
        holder = find(manifests, "ServiceAccount", params.account, params.space(manifests))
    if not params.secret:
        holder.pop("imagePullSecrets", None)
    elif holder.get("imagePullSecrets"):
        holder["imagePullSecrets"] = [{"name": params.secret}]
    else:
        raise DataError("the workload or ServiceAccount names no pull secret")
