"""The embedded engine as a provider: a real cluster from processes of this machine, without Docker.

Called through `labs.providers.base.Provider`. It validates everything before the first side effect, holds the cluster's
lock, and leaves the work to `bringup.py` and `cleanup.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from grader.capabilities import Capabilities
from labs import paths
from labs.errors import ClusterError, EngineError, LabsError, MachineError, UsageError
from labs.events import Listener, Notice, State, Step, silent
from labs.providers.base import (
    DEFAULT_NAME,
    DEFAULT_PROFILE,
    ClusterHandle,
    ClusterStatus,
    ComponentStatus,
    Finding,
    Phase,
)
from labs.providers.engine import bake, cleanup, doctor, gpus, nodeops, supplies
from labs.providers.engine.api import ApiClient
from labs.providers.engine.bringup import Bringup
from labs.providers.engine.layout import Layout
from labs.providers.engine.locking import cluster_lock
from labs.providers.engine.plan import load_plan
from labs.providers.engine.processes import memory
from labs.providers.engine.readiness import step, unready_components
from labs.providers.engine.record import Record, load_record
from labs.providers.engine.state import components, supervisor_pid
from labs.providers.profile import load_profile

NAME = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")
PRIVATE_LOGIN = "lab:lab-secret"  # of every cluster, as `registry.htpasswd` has it: a lesson's material, not a secret


class EngineProvider:
    """Clusters of the embedded engine on this machine."""

    name = "engine"

    def probe(self) -> list[Finding]:
        """Look at this machine without changing it."""
        return doctor.findings()

    def up(self, name: str = DEFAULT_NAME, *, profile: str = DEFAULT_PROFILE, emit: Listener = silent) -> ClusterHandle:
        """Bring the cluster up, repair it, or find that it runs already.

        Raises:
            UsageError: The name or the profile is not one, or the cluster was made from another profile.
            MachineError: This machine lacks something.
            EngineError: A component failed; the hint names its log.
        """
        layout = Layout.of(_valid(name))
        chosen = load_profile(profile)
        _check_machine()
        with files_told(), cluster_lock(layout, emit):
            record = load_record(layout)
            if record is not None and record.ready and record.profile != profile:
                raise UsageError(
                    f"cluster {name!r} was made from profile {record.profile!r}",
                    hint=f"`labs down --cluster {name}` first",
                )
            if record is not None and record.ready and _is_running(layout) and not nodeops.off(layout):
                emit(Step("up", f"Cluster {name} runs already", State.SKIPPED))
                return _handle(layout, record)
            if record is None or not record.ready:
                _refuse(doctor.watches(), strict=True)
            have = supplies.gather(chosen, emit)
            bringup = Bringup(layout, chosen, have, emit)
            if record is None or not record.ready:
                cleanup.remove_all_but_root(layout)
                record = bringup.fresh()
            else:
                _repair(bringup, record)
            return _handle(layout, record)

    def down(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Stop the cluster and remove all it left on this machine. No error when there is none."""
        layout = Layout.of(_valid(name))
        _check_root()
        with step(emit, "down", f"Removing cluster {name}"), files_told(), cluster_lock(layout, emit):
            cleanup.remove(layout)

    def reset(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> ClusterHandle:
        """Put the whole cluster back to its first state."""
        layout = Layout.of(_valid(name))
        _check_machine()
        record = self._record(layout)
        chosen = load_profile(record.profile)
        have = supplies.gather(chosen, emit)
        with files_told(), cluster_lock(layout, emit):
            with step(emit, "stop", f"Stopping cluster {name}"):
                cleanup.stop(layout)
            bringup = Bringup(layout, chosen, have, emit)
            if have.key == record.key and bake.restore_cluster(layout, record):
                cleanup.clear_storage(layout)
                bringup.start(record)
                return _handle(layout, record)
            # Something it was made from is new, or its bake is gone: make it anew.
            cleanup.remove_all_but_root(layout)
            return _handle(layout, bringup.fresh())

    def status(self, name: str = DEFAULT_NAME) -> ClusterStatus:
        """Say where the cluster stands; never raises for a cluster that is broken or absent."""
        layout = Layout.of(name)
        record = load_record(layout)
        if record is None:
            return ClusterStatus(name, self.name, Phase.ABSENT, detail="there is no such cluster")
        if supervisor_pid(layout) is None:
            detail = "its supervisor is not running; `labs up` brings it back"
            return ClusterStatus(name, self.name, Phase.STOPPED, record.profile, detail=detail)
        known = components(layout)
        parts = tuple(
            ComponentStatus(
                name=part,
                running=known[part]["pid"] is not None,
                pid=known[part]["pid"],
                restarts=known[part]["restarts"],
                memory_bytes=memory(known[part]["pid"]) if known[part]["pid"] else None,
                detail=known[part]["detail"],
            )
            for part in sorted(known)
        )
        nodes, detail = _node_states(layout, record)
        healthy = all(state == "Ready" for state in nodes.values()) and nodes and not unready_components(layout)
        phase = Phase.READY if healthy else Phase.STARTING if not record.ready else Phase.DEGRADED
        return ClusterStatus(name, self.name, phase, record.profile, nodes, parts, detail)

    def handle(self, name: str = DEFAULT_NAME) -> ClusterHandle:
        """Return the handle of a running cluster.

        Raises:
            ClusterError: There is none.
        """
        layout = Layout.of(_valid(name))
        record = self._record(layout)
        if not _is_running(layout):
            raise ClusterError(f"cluster {name!r} is not running", hint="`labs up` brings it back")
        return _handle(layout, record)

    def names(self) -> list[str]:
        """Return the names of the engine's clusters on this machine."""
        return sorted(path.parent.name for path in paths.clusters_dir().glob("*/cluster.json"))

    def refresh_images(self, name: str = DEFAULT_NAME, *, emit: Listener = silent) -> None:
        """Import the lab's images of today into the running nodes and the registries."""
        layout = Layout.of(_valid(name))
        record = self._record(layout)
        with files_told(), cluster_lock(layout, emit):
            supplies.refresh(layout, record, load_profile(record.profile), emit)

    def provide_images(self, name: str, references: Collection[str], *, emit: Listener = silent) -> None:
        """Put those of the images that are made on demand into the cluster's registry; nodes pull them from there."""
        layout = Layout.of(_valid(name))
        self._record(layout)
        with files_told():
            supplies.publish(layout, references, emit)

    def kill_node(self, name: str, node: str) -> None:
        """Switch a node off as a power cut does; the cluster notices within about 16 s.

        Raises:
            UsageError: There is no such node.
        """
        layout = Layout.of(_valid(name))
        with files_told(), cluster_lock(layout, silent):
            nodeops.kill_node(layout, self._record(layout), node)

    def start_node(self, name: str, node: str) -> None:
        """Switch a node on again.

        Raises:
            UsageError: There is no such node.
        """
        layout = Layout.of(_valid(name))
        with files_told(), cluster_lock(layout, silent):
            nodeops.start_node(layout, self._record(layout), node)

    def lose_gpu(self, name: str, node: str) -> None:
        """Break the first simulated GPU of a node.

        Raises:
            UsageError: There is no such node, or it has none.
        """
        self._set_lost(name, node, [0])

    def return_gpu(self, name: str, node: str) -> None:
        """Mend every simulated GPU of a node; raises as `lose_gpu` does."""
        self._set_lost(name, node, [])

    def _set_lost(self, name: str, node: str, lost: list[int]) -> None:
        layout = Layout.of(_valid(name))
        with files_told(), cluster_lock(layout, silent):
            record = self._record(layout)
            nodeops.node_number(record, node)
            gpus.set_lost(layout, record, node, lost)

    def _record(self, layout: Layout) -> Record:
        record = load_record(layout)
        if record is None or not record.ready:
            raise ClusterError(f"there is no cluster {layout.name!r}", hint="`labs up` makes one")
        return record


@contextmanager
def files_told() -> Iterator[None]:
    """Turn what the file system refuses (a full disk, a file that is gone) into an error a person can act upon."""
    try:
        yield
    except OSError as error:
        raise EngineError(f"a file could not be used: {error}", hint="`labs doctor` shows the free disk") from error


def _valid(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a cluster",
            hint="1 to 16 lower-case letters, digits and dashes, a letter first",
        )
    return name


def _check_root() -> None:
    if os.geteuid() != 0:
        raise MachineError("the engine needs root", hint="run it with sudo, or use `--provider kind` with Docker")


def _check_machine() -> None:
    _check_root()
    for finding in doctor.quick_findings():
        _refuse(finding)


def _refuse(finding: Finding, *, strict: bool = False) -> None:
    """Raise what a finding says is in the way; with `strict`, also what is only a warning for clusters that run."""
    if finding.ok is False or (strict and finding.ok is None):
        raise MachineError(f"{finding.title}: {finding.observed}", hint=finding.hint or "run `labs doctor`")


def _handle(layout: Layout, record: Record) -> ClusterHandle:
    nodes = load_profile(record.profile).nodes
    capabilities = Capabilities(
        nodes=len(nodes),
        network_policy=record.queue != "none",
        metrics=True,
        registry=True,
        storage=True,
        node_power=True,
        gpu="simulated" if any(node.gpus for node in nodes) else "none",
    )
    return ClusterHandle(
        name=layout.name,
        provider=EngineProvider.name,
        id=record.id,
        kubeconfig=layout.kubeconfig,
        capabilities=capabilities,
        registry=record.addresses.registry,
        private=(record.addresses.private_registry, PRIVATE_LOGIN),
        audit=layout.logs / "audit.log",
        since=datetime.fromtimestamp(layout.record.stat().st_mtime, UTC),  # written when etcd's data is put in place
    )


def _is_running(layout: Layout) -> bool:
    return supervisor_pid(layout) is not None and not unready_components(layout)


def _nodes_are_there(bringup: Bringup, record: Record) -> bool:
    """Say whether every node was wholly made and is still there; the plan names the kubelets only after that."""
    layout, nodes = bringup.layout, bringup.nodes(record)
    wanted = {layout.namespace(node.name, kind) for node in nodes for kind in ("net", "mnt")}
    if not wanted <= cleanup.namespace_mounts(layout).keys():
        return False
    try:
        planned = {spec.name for spec in load_plan(layout.plan)}
    except (OSError, ValueError):
        return False
    return {f"{node.name}/kubelet" for node in nodes} <= planned


def _repair(bringup: Bringup, record: Record) -> None:
    """Bring a cluster back that is not wholly there, with the least that does it."""
    layout = bringup.layout
    try:
        whole = _nodes_are_there(bringup, record)
        if whole and (left := nodeops.start_all(layout, record)):
            bringup.emit(Notice(f"switched off, and on again now: {', '.join(left)}"))
        if whole and supervisor_pid(layout) is not None:
            bringup.await_running(record)
            return
        if whole:
            cleanup.stop_host_processes(layout)
            bringup.resume(record)
            return
    except EngineError as error:
        bringup.emit(Notice(f"starting all of it anew: {error.message}", warning=True))
    with step(bringup.emit, "repair", f"Clearing up after cluster {layout.name} was cut off"):
        cleanup.stop(layout)
    bringup.start(record)


def _node_states(layout: Layout, record: Record) -> tuple[dict[str, str], str]:
    states: dict[str, str] = {}
    try:
        with closing(ApiClient(record.addresses.server, layout.pki)) as client:
            found = client.items("api/v1/nodes")
        for node in found:
            ready = [c for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
            word = "Ready" if ready and ready[0]["status"] == "True" else ready[0]["message"] if ready else "unknown"
            states[node["metadata"]["name"]] = word
    except (LabsError, OSError) as error:
        return states, str(error)
    return states, ""
