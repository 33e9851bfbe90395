"""Where the files of one cluster of the embedded engine lie, inside the state folder and inside a node.

Called by every other module of the engine. It computes paths and names and touches nothing but `create`.

A node sees its own world at conventional paths (`/var/lib/kubelet`, `/run/containerd/containerd.sock`): they are
bound in its mount namespace, so that they vanish with it. Everything else of ours appears there under `INSIDE`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from labs import paths

MARKER = "LABS_CLUSTER_ROOT"
"""Environment variable every process of a cluster carries, so that none can hide from `down`."""

INSIDE = Path("/var/lib/lab-node")
"""Where a node's own folder appears inside its mount namespace."""

MOUNTPOINTS = (
    INSIDE,
    Path("/var/lib/kubelet"),
    Path("/var/lib/containerd"),
    Path("/var/lib/cni"),
    Path("/tmp/hostpath_pv"),  # noqa: S108 - the path is a constant of the controller manager's provisioner
)
"""Folders that must exist on the host only to be mounted over inside a node."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths and host-wide names of one cluster.

    Attributes:
        name: The cluster's name.
        root: Its folder, `<state>/clusters/<name>`.
    """

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """Return the layout of the cluster called `name` in today's state folder."""
        return cls(name, paths.clusters_dir() / name)

    @property
    def tag(self) -> str:
        """Name of host-wide things (cgroups, chains): the cluster's name and a mark of its folder."""
        return f"labs-{self.name}-{hashlib.sha256(str(self.root).encode()).hexdigest()[:4]}"

    @property
    def record(self) -> Path:
        """File that says what the cluster is; see `record.py`."""
        return self.root / "cluster.json"

    @property
    def pki(self) -> Path:
        """Folder of certificates and keys."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The learner's and the grader's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def conf(self) -> Path:
        """Folder of rendered component configurations."""
        return self.root / "conf"

    @property
    def logs(self) -> Path:
        """Folder with one bounded log per component."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Folder of what is true only while the cluster runs."""
        return self.root / "run"

    @property
    def plan(self) -> Path:
        """What the supervisor is to run."""
        return self.run / "plan.json"

    @property
    def state(self) -> Path:
        """What the supervisor says is running."""
        return self.run / "state.json"

    @property
    def namespaces(self) -> Path:
        """Private mount with the nodes' namespace files."""
        return self.run / "ns"

    @property
    def etcd(self) -> Path:
        """Data of etcd."""
        return self.root / "etcd"

    @property
    def registry(self) -> Path:
        """Data of the two registries, one folder each."""
        return self.root / "registry"

    @property
    def storage(self) -> Path:
        """Volumes of the default StorageClass."""
        return self.root / "storage"

    def node(self, node: str) -> Path:
        """Return the folder of one node; inside the node it is `INSIDE`."""
        return self.root / "nodes" / node

    def namespace(self, node: str, kind: str) -> Path:
        """Return the file that keeps a node's namespace (`net`, `mnt` or `uts`) alive."""
        return self.namespaces / f"{node}.{kind}"

    def cgroup(self, node: str) -> str:
        """Return the path of a node's cgroup below the root of each hierarchy."""
        return f"/{self.tag}/{node}"

    def create(self) -> None:
        """Make the folders that every cluster has, private to this user."""
        for folder in (self.root, self.pki, self.conf, self.logs, self.run, self.registry, self.storage):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.storage.chmod(0o777)  # pods of any user write below it; the folder above stays private
