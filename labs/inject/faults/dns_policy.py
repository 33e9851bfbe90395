"""The pods ask the wrong name server (F6): names of the cluster do not resolve."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from grader.model import Json
from labs.inject.faults._target import Workload

NUMBER = 6
SYMPTOM = "names of the cluster do not resolve inside the pods"


class Params(Workload):
    """What a scenario says in `with`.

    Attributes:
        policy: `Default` uses the node's name servers, `None` those of `nameservers`.
        nameservers: Addresses for `None`.
    """

    policy: Literal["Default", "None"] = "Default"
    nameservers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _together(self) -> Params:
        if (self.policy == "None") != bool(self.nameservers):
            raise ValueError("`policy: None` and `nameservers` go together")
        return self


def transform(manifests: list[Json], params: Params) -> None:
    """Change policy and name servers in place."""
    spec = params.pod_spec(manifests)
    spec["dnsPolicy"] = params.policy
    if params.nameservers:
        spec.setdefault("dnsConfig", {})["nameservers"] = list(params.nameservers)
