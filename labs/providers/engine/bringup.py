"""Brings one cluster up: for the first time, from its bake, or after its supervisor or the whole machine went away.

Called by `provider.py`, which validated everything and holds the cluster's lock.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from labs.events import Listener
from labs.providers.engine import addons, bake, cleanup, control_plane, gpus, network, pki
from labs.providers.engine.api import ApiClient
from labs.providers.engine.layout import MOUNTPOINTS, Layout
from labs.providers.engine.node import Node
from labs.providers.engine.plan import ProcessSpec, save_plan
from labs.providers.engine.processes import run_tool
from labs.providers.engine.readiness import (
    step,
    unoffered_gpus,
    unready_components,
    unready_nodes,
    unready_pods,
    unserved_dns,
    wait_until,
)
from labs.providers.engine.record import Record, load_record
from labs.providers.engine.settling import settle
from labs.providers.engine.state import reload_plan, start_supervisor
from labs.providers.profile import NamedProfile

START_SECONDS = 120
PLUGIN = f"/{gpus.PROCESS}"
JOINING = ("/kubelet", PLUGIN)  # what makes a node join the cluster, and what needs that
LEASE_SECONDS = 16
FIRST_SECONDS = 300
ADDON_NAMESPACES = ["kube-system", "lab-system"]


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a cluster is made from.

    Attributes:
        binaries: Component name → binary.
        cni: Folder of the CNI plugins.
        images: Image name → reference.
        baked: Folder of the baked images.
        registries: `public` and `private` → storage folder of that registry, where there is one.
        key: What the cluster's bake depends on.
    """

    binaries: Mapping[str, Path]
    cni: Path
    images: Mapping[str, str]
    baked: Path
    registries: Mapping[str, Path]
    key: str


@dataclass(frozen=True, slots=True)
class Bringup:
    """One cluster on its way up.

    Attributes:
        layout: Its paths.
        profile: Its topology.
        supplies: What it is made from.
        emit: Hears of every step.
    """

    layout: Layout
    profile: NamedProfile
    supplies: Supplies
    emit: Listener

    def fresh(self) -> Record:
        """Bring up a cluster of which nothing exists but perhaps its bake."""
        layout, supplies = self.layout, self.supplies
        baked = bake.baked_indexes(layout.name, supplies.key)
        layout.create()
        index = network.claim(layout, baked)
        record = Record(layout.name, uuid.uuid4().hex, self.profile.name, index, supplies.key)
        if index in baked and bake.restore_cluster(layout, record):
            record = load_record(layout) or record
            self.start(record)
            return record
        return self._first(record)

    def _first(self, record: Record) -> Record:
        """Bring a cluster up from nothing, keep its bake, and start it from that."""
        layout = self.layout
        record = dataclasses.replace(record, queue=network.policy_queue())
        record.save(layout)
        with step(self.emit, "pki", "Making certificates"):
            nodes = {node.name: node.address for node in self.nodes(record)}
            pki.write_pki(layout.pki, record.addresses, nodes)
        began = time.time()
        self._launch(record, join=False)
        with closing(ApiClient(record.addresses.server, layout.pki)) as api:
            self._furnish(record, api, began)
        record = dataclasses.replace(record, ready=True)
        with step(self.emit, "bake", "Keeping the first state for later starts"):
            record.save(layout)
            bake.save_cluster(layout, record)
        self.start(record)
        return record

    def _furnish(self, record: Record, api: ApiClient, began: float) -> None:
        """Install nodes and add-ons, wait until all of them serve, and stop in that state."""
        layout = self.layout
        with step(self.emit, "addons", "Installing the add-ons"):
            nodes_first = [addons.node_manifest(node) for node in self.nodes(record)]
            addons.apply_all(api, nodes_first + addons.manifests(record, self.supplies.images, layout.pki))
        # A baked node has no GPUs: those it is said to have are then those that its new kubelet knows of.
        self._save_plan(record, without=(PLUGIN,))
        self._wait_usable(record, began)
        with step(self.emit, "settle", "Waiting for every add-on", f"≤ {FIRST_SECONDS} s"):
            look = lambda: unready_pods(api, ADDON_NAMESPACES)  # noqa: E731 - it reads as what it waits for
            wait_until(layout, "the add-ons", FIRST_SECONDS, look)
        with step(self.emit, "stop", "Stopping everything in its first state"):
            settle(layout, api)
            cleanup.stop(layout)

    def start(self, record: Record) -> None:
        """Start a cluster whose etcd is in place and whose nodes are not: warm start, reset, and after a power cut."""
        began = time.time()
        self._launch(record, join=True)
        self._wait_usable(record, began)
        if wanted := {node.name: node.gpus for node in self.profile.nodes if node.gpus}:
            offered = step(self.emit, "gpus", "Waiting for the GPUs", f"≤ {START_SECONDS} s")
            with offered, closing(ApiClient(record.addresses.server, self.layout.pki)) as api:
                wait_until(self.layout, "the GPUs", START_SECONDS, lambda: unoffered_gpus(api, wanted))

    def resume(self, record: Record) -> None:
        """Start the supervisor again where only it died: nodes and pods are still there."""
        began = time.time()
        with step(self.emit, "components", "Starting the components again"):
            self._save_plan(record)
            start_supervisor(self.layout)
            wait_until(self.layout, "the control plane", START_SECONDS, lambda: unready_components(self.layout))
        self._wait_usable(record, began)

    def await_running(self, record: Record) -> None:
        """Wait for a cluster whose supervisor is at work: it is starting, or starts a component again.

        Raises:
            EngineError: It does not become usable.
        """
        with step(self.emit, "components", "Waiting for the components that start", f"≤ {START_SECONDS} s"):
            wait_until(self.layout, "the components", START_SECONDS, lambda: unready_components(self.layout))
        self._wait_usable(record, time.time() - LEASE_SECONDS)

    def nodes(self, record: Record) -> list[Node]:
        """Return the nodes of the cluster."""
        specs = self.profile.nodes
        return [Node(self.layout, record, spec, i, len(specs)) for i, spec in enumerate(specs, start=1)]

    def _launch(self, record: Record, *, join: bool) -> None:
        """Start everything; with `join` false the kubelets wait until their Node objects are there."""
        layout, addresses = self.layout, record.addresses
        with step(self.emit, "network", "Preparing network and configuration", str(addresses.nodes)):
            layout.create()
            if network.bridge_of(layout) is None:
                network.make_bridge(layout, addresses)
            network.allow_traffic(layout, addresses)
            control_plane.configure(layout, addresses)
            save_plan(layout.plan, self._host_processes(record))
            start_supervisor(layout)
        # etcd and the API server start meanwhile.
        with step(self.emit, "nodes", f"Making {len(self.profile.nodes)} nodes"):
            self._make_nodes(record)
            self._save_plan(record, without=() if join else JOINING)
        with step(self.emit, "control-plane", "Starting etcd, the control plane and the nodes", f"≤ {START_SECONDS} s"):
            wait_until(layout, "the control plane", START_SECONDS, lambda: unready_components(layout))

    def _make_nodes(self, record: Record) -> None:
        layout, supplies = self.layout, self.supplies
        for folder in MOUNTPOINTS:
            folder.mkdir(parents=True, exist_ok=True)
        layout.namespaces.mkdir(exist_ok=True, mode=0o700)
        run_tool(["mount", "--bind", str(layout.namespaces), str(layout.namespaces)])
        run_tool(["mount", "--make-private", str(layout.namespaces)])
        nodes = self.nodes(record)
        with ThreadPoolExecutor(max_workers=len(nodes) + 1) as pool:
            work = [pool.submit(self._make_node, node) for node in nodes]
            work += [pool.submit(self._fill_registry, kind) for kind in supplies.registries]
            for done in work:
                done.result()

    def _make_node(self, node: Node) -> None:
        shutil.rmtree(node.folder, ignore_errors=True)
        node.configure(self.supplies.images["pause"])
        bake.place_images(self.supplies.baked, node.folder / "containerd")
        node.create(self.supplies.binaries, cni=self.supplies.cni, images=self.supplies.baked)

    def _fill_registry(self, kind: str) -> None:
        bake.copy_registry(self.supplies.registries[kind], self.layout.registry / kind)

    def _host_processes(self, record: Record) -> list[ProcessSpec]:
        return control_plane.processes(self.layout, record, self.supplies.binaries)

    def _save_plan(self, record: Record, *, without: tuple[str, ...] = ()) -> None:
        specs = self._host_processes(record)
        for node in self.nodes(record):
            own = node.processes(binaries=self.supplies.binaries)
            specs += [spec for spec in own if not spec.name.endswith(without)]
        save_plan(self.layout.plan, specs)
        reload_plan(self.layout)

    def _wait_usable(self, record: Record, began: float) -> None:
        """Wait until every node is Ready and every node gets answers from the cluster's DNS."""
        layout, addresses, up_to = self.layout, record.addresses, f"≤ {START_SECONDS} s"
        names = [node.name for node in self.profile.nodes]
        nodes = step(self.emit, "ready", f"Waiting {up_to} for {len(names)} nodes to be Ready")
        with nodes, closing(ApiClient(addresses.server, layout.pki)) as api:
            wait_until(layout, "the nodes", START_SECONDS, lambda: unready_nodes(api, names, began))
        with step(self.emit, "dns", f"Waiting {up_to} for CoreDNS to serve"):
            dns, expected = addresses.dns, addresses.api_service
            wait_until(layout, "CoreDNS", START_SECONDS, lambda: unserved_dns(layout, names, dns, expected))
