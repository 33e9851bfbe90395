"""What a cluster can do, so that a scenario that needs more is "not applicable" and never failed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Gpu = Literal["none", "simulated", "real"]


class Capabilities(BaseModel):
    """What a cluster offers, stated by its provider.

    Attributes:
        nodes: Number of nodes that can run pods.
        real_kubelet: Pods run in real containers (probes, OOM kills, exec).
        network_policy: NetworkPolicies are enforced.
        metrics: `metrics.k8s.io` answers.
        registry: The lab's OCI registry is reachable from the nodes.
        storage: A default StorageClass provisions volumes.
        git: A Git server for GitOps lessons runs.
        node_power: A node can be switched off, as a power cut does, and on again.
        gpu: Kind of GPU pool.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = 1
    real_kubelet: bool = True
    network_policy: bool = False
    metrics: bool = False
    registry: bool = False
    storage: bool = False
    git: bool = False
    node_power: bool = False
    gpu: Gpu = "none"


class Requires(BaseModel):
    """What a scenario needs; every field left out needs nothing.

    Attributes:
        nodes: Least number of nodes.
        gpu: `any` is satisfied by a simulated or a real pool.
        tools: Programs the learner types beside kubectl. They are not the cluster's: whoever starts the task has them
            ready in the learner's shell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = 1
    real_kubelet: bool = False
    network_policy: bool = False
    metrics: bool = False
    registry: bool = False
    storage: bool = False
    git: bool = False
    node_power: bool = False
    gpu: Literal["none", "any", "simulated", "real"] = "none"
    tools: tuple[Literal["git", "helm"], ...] = ()

    def missing(self, has: Capabilities) -> list[str]:
        """Return what `has` lacks, each as a reason for a reader; empty when everything is there."""
        reasons = []
        if has.nodes < self.nodes:
            reasons.append(f"needs {self.nodes} nodes, the cluster has {has.nodes}")
        plain = ("real_kubelet", "network_policy", "metrics", "registry", "storage", "git", "node_power")
        reasons += [
            f"needs {name.replace('_', ' ')}, which this cluster does not have"
            for name in plain
            if getattr(self, name) and not getattr(has, name)
        ]
        wanted = self.gpu
        if wanted != "none" and (has.gpu == "none" or wanted not in {"any", has.gpu}):
            kind = "GPU pool" if wanted == "any" else f"{wanted} GPU pool"
            reasons.append(f"needs a {kind}, the cluster's is {has.gpu}")
        return reasons
