"""The protocol every provider of clusters fulfils; `cli.py`, `tui/` and `labs.inject` look no further."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from grader.capabilities import Capabilities
from labs.events import Listener, silent

DEFAULT_NAME = "lab"
DEFAULT_PROFILE = "two-cpu"
OWNER_NAMESPACE = "lab-system"
OWNER_CONFIGMAP = "lab-owner"


class Phase(StrEnum):
    """Where a cluster stands as a whole."""

    ABSENT = "absent"
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class ClusterHandle:
    """What others need in order to use a cluster.

    Attributes:
        name: Name of the cluster on this machine.
        provider: `engine`, `kind` or `context`.
        id: Random id, written into the cluster (ConfigMap `lab-system/lab-owner`, key `id`) and into our state;
            where the two differ, nothing is injected.
        kubeconfig: File with mode 0600, one context, used as it is.
        capabilities: What scenarios may ask of it.
        registry: `host:port` under which nodes pull the lab's images, empty where there is none.
        private: The same of the registry that asks for a password, and `user:password` for it.
        audit: The API server's audit log on this machine, None where the provider has none.
        since: When its state was put in place, by a first start, from a bake, or by a reset: what was brought into it
            before is gone. None where a new state has a new id.
    """

    name: str
    provider: str
    id: str
    kubeconfig: Path
    capabilities: Capabilities
    registry: str = ""
    private: tuple[str, str] = field(default=("", ""), repr=False)
    audit: Path | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One supervised part of a cluster.

    Attributes:
        name: For instance `kube-apiserver` or `cpu-1/kubelet`.
        running: Whether its process lives.
        pid: Process id, where there is one.
        restarts: How often it was started again.
        memory_bytes: Resident memory, where known.
        detail: Last error, or nothing.
    """

    name: str
    running: bool
    pid: int | None = None
    restarts: int = 0
    memory_bytes: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What `labs status` shows.

    Attributes:
        name: Name of the cluster.
        provider: Which provider it belongs to.
        phase: Where it stands.
        profile: Topology it was made from.
        nodes: Node name → "Ready" or the reason why not.
        components: Supervised parts, empty for providers that have none.
        detail: One sentence for a person.
    """

    name: str
    provider: str
    phase: Phase
    profile: str = ""
    nodes: dict[str, str] = field(default_factory=dict)
    components: tuple[ComponentStatus, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `labs doctor`.

    Attributes:
        id: Stable key, such as `runc`.
        title: What was looked at.
        ok: True, False, or None for "worth knowing, not in the way".
        observed: What is there.
        hint: The mend, a command where there is one.
    """

    id: str
    title: str
    ok: bool | None
    observed: str
    hint: str = ""


class Provider(Protocol):
    """A way to have a cluster. Every method is safe to call again after it was interrupted at any point."""

    name: str

    def probe(self) -> list[Finding]:
        """Look at this machine without changing it; the provider can run when no finding is `ok=False`."""
        ...

    def up(self, name: str = DEFAULT_NAME, *, profile: str = DEFAULT_PROFILE, emit: Listener = silent) -> ClusterHandle:
        """Bring the cluster up, repair it, or find that it runs already.

        Raises:
            LabsError: With a hint. Nothing half-made is left that a second `up` or a `down` does not mend.
        """
        ...

    def down(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Stop the cluster and remove all it left on this machine. No error when there is none."""
        ...

    def reset(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> ClusterHandle:
        """Put the whole cluster back to its first state."""
        ...

    def status(self, name: str = DEFAULT_NAME) -> ClusterStatus:
        """Say where the cluster stands; never raises for a cluster that is broken or absent."""
        ...

    def handle(self, name: str = DEFAULT_NAME) -> ClusterHandle:
        """Return the handle of a running cluster.

        Raises:
            ClusterError: There is none; the hint names the command that makes one.
        """
        ...

    def names(self) -> list[str]:
        """Return the names of the clusters of this provider on this machine."""
        ...

    def refresh_images(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Make the lab's images of today available to the cluster's nodes."""
        ...

    def kill_node(self, name: str, node: str) -> None:
        """Switch a node off as a power cut does, where the capabilities have `node_power`.

        Raises:
            UsageError: There is no such node.
            LabsError: It cannot be done here; the hint says where. Nothing has happened.
        """
        ...

    def start_node(self, name: str, node: str) -> None:
        """Switch a node on again; no error when it runs. Raises as `kill_node` does."""
        ...

    def lose_gpu(self, name: str, node: str) -> None:
        """Break one of a node's GPUs, where the capabilities have `gpu: simulated`. Raises as `kill_node` does."""
        ...

    def return_gpu(self, name: str, node: str) -> None:
        """Mend a node's GPUs; no error when they are whole. Raises as `kill_node` does."""
        ...

    def provide_images(self, name: str, references: Collection[str], *, emit: Listener = silent) -> None:
        """Make images that are made on demand available to the cluster's nodes; those that are not are none of it.

        Raises:
            LabsError: One cannot be built, or the cluster is not there.
        """
        ...
