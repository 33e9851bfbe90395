"""A cluster survives what happens to machines, and leaves nothing behind.

A second cluster with a state folder of its own, beside the one of the other tests. The tests go on from each other's
end, because each start costs seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_kubectl import Kubectl, eventually, pod

from labs.errors import ClusterError, UsageError
from labs.providers.base import ClusterHandle, Phase
from labs.providers.engine import cgroups, cleanup
from labs.providers.engine.layout import Layout
from labs.providers.engine.processes import in_namespaces, kill, marked, run_tool, start_time, wait_gone
from labs.providers.engine.provider import EngineProvider
from labs.providers.engine.record import load_record
from labs.providers.engine.state import components

pytestmark = pytest.mark.cluster

NAME = "second"


def traces(layout: Layout) -> dict[str, list[str]]:
    """Everything on this machine that names the cluster, its folder or its bridge."""
    links = json.loads(run_tool(["ip", "-j", "-d", "link", "show"]))
    bridges = [link["ifname"] for link in links if str(layout.root) in link.get("ifalias", "")]
    found = {
        "processes": [str(pid) for pid in marked(layout.root) | cgroups.pids(f"/{layout.tag}")],
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(layout.root) in line],
        "links": [link["ifname"] for link in links if link["ifname"] in bridges or link.get("master") in bridges],
        "rules": [line for line in run_tool(["iptables-save"]).splitlines() if layout.tag in line],
        "cgroups": [str(root) for root in cgroups.hierarchies() if (root / layout.tag).exists()],
        "files": [str(layout.root)] if layout.root.exists() else [],
    }
    return {kind: items for kind, items in found.items() if items}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    before = os.environ.get("LABS_STATE")
    # Below /tmp, of which a node sees a part of its own: whoever keeps the state there must not notice.
    os.environ["LABS_STATE"] = str(tmp_path_factory.mktemp("state"))
    layout = Layout.of(NAME)
    if before is None:
        del os.environ["LABS_STATE"]
    else:
        os.environ["LABS_STATE"] = before
    return layout


@pytest.fixture
def here(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("LABS_STATE", str(layout.root.parent.parent))
    return layout


@pytest.fixture(scope="module")
def host_before() -> set[str]:
    return host_state()


def host_state() -> set[str]:
    return {line for line in run_tool(["iptables-save"]).splitlines() if not line.startswith("#")}


def fingerprint(kubectl: Kubectl) -> dict[str, str]:
    """Pod name → id of its container, which changes when it was started again; asked once every pod is ready."""

    def pods() -> list[Any]:
        found = kubectl.get("pods", "--all-namespaces")["items"]
        ready = [p["status"].get("containerStatuses", [{"ready": False}])[0]["ready"] for p in found]
        return found if found and all(ready) else []

    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["containerID"] for p in eventually(pods, 60)}


def component(layout: Layout, name: str) -> dict[str, Any]:
    return components(layout)[name]


@pytest.fixture
def handle(here: Layout, provider: EngineProvider, host_before: set[str]) -> ClusterHandle:
    del host_before  # looked at before the first start
    return provider.up(here.name)


def test_two_clusters_live_side_by_side(
    cluster: ClusterHandle, handle: ClusterHandle, here: Layout, provider: EngineProvider
) -> None:
    assert handle.id != cluster.id
    assert provider.names() == [NAME]
    for one in (cluster, handle):
        assert one.kubeconfig.stat().st_mode & 0o777 == 0o600
        owner = Kubectl(one, "lab-system").get("configmap", "lab-owner")
        assert owner["data"]["id"] == one.id
    assert here.root.stat().st_mode & 0o777 == 0o700
    assert provider.status(NAME).phase is Phase.READY
    assert all(part.running and part.memory_bytes for part in provider.status(NAME).components)


@pytest.mark.parametrize("name", ["kube-apiserver", "cpu-1/kubelet", "cpu-1/containerd", "etcd"])
def test_a_killed_component_comes_back_and_pods_run_on(
    handle: ClusterHandle, here: Layout, provider: EngineProvider, name: str
) -> None:
    before = fingerprint(Kubectl(handle))
    restarts = component(here, name)["restarts"]
    os.kill(component(here, name)["pid"], signal.SIGKILL)
    eventually(lambda: component(here, name)["restarts"] == restarts + 1 and component(here, name)["ready"])
    eventually(lambda: provider.status(NAME).phase is Phase.READY, 60)
    assert "signal 9" in component(here, name)["detail"]
    assert fingerprint(Kubectl(handle)) == before


def test_pods_outlive_a_killed_supervisor(handle: ClusterHandle, here: Layout, provider: EngineProvider) -> None:
    before = fingerprint(Kubectl(handle))
    supervisor = json.loads(here.state.read_text())["pid"]
    supervised = [c["pid"] for c in components(here).values()]
    os.kill(supervisor, signal.SIGKILL)
    assert wait_gone([supervisor, *supervised]) == set()
    assert provider.status(NAME).phase is Phase.STOPPED
    with pytest.raises(ClusterError, match="not running"):
        provider.handle(NAME)
    provider.up(NAME)
    assert fingerprint(Kubectl(handle)) == before
    assert start_time(supervisor) is None


def test_up_waits_for_what_is_being_started_again(
    handle: ClusterHandle, here: Layout, provider: EngineProvider
) -> None:
    supervisor = json.loads(here.state.read_text())["pid"]
    os.kill(component(here, "kube-apiserver")["pid"], signal.SIGKILL)
    eventually(lambda: not component(here, "kube-apiserver")["ready"])
    assert provider.up(NAME).id == handle.id
    assert component(here, "kube-apiserver")["ready"]
    assert json.loads(here.state.read_text())["pid"] == supervisor


def test_a_power_cut_loses_nothing_that_was_said_to_the_api(
    handle: ClusterHandle, here: Layout, provider: EngineProvider
) -> None:
    kubectl = Kubectl(handle)
    image = Kubectl(handle, "lab-system").get("daemonset", "lab-prober")
    reference = image["spec"]["template"]["spec"]["containers"][0]["image"]
    kubectl.apply(pod("keeper", reference, ["sleep", "3600"]))
    kubectl.wait("pod/keeper", "condition=Ready")
    inodes = cleanup.namespace_inodes(here)
    while everything := marked(here.root) | in_namespaces(inodes) | cgroups.pids(f"/{here.tag}"):
        kill(everything)
        wait_gone(everything)
    cleanup.unmount(here)
    run_tool(["ip", "link", "delete", str(load_record(here).addresses.bridge)])  # type: ignore[union-attr]
    assert provider.up(NAME).since == handle.since  # what was brought into it is still there
    kubectl.wait("pod/keeper", "condition=Ready")
    assert provider.status(NAME).phase is Phase.READY


def test_a_node_that_is_switched_off_is_missed_and_comes_back(
    handle: ClusterHandle, here: Layout, provider: EngineProvider
) -> None:
    with pytest.raises(UsageError, match="no node"):
        provider.kill_node(NAME, "cpu-9")
    provider.kill_node(NAME, "cpu-2")
    assert cgroups.pids(here.cgroup("cpu-2")) == set()
    eventually(lambda: "stopped posting node status" in provider.status(NAME).nodes["cpu-2"], 60)
    assert provider.status(NAME).phase is Phase.DEGRADED
    provider.start_node(NAME, "cpu-2")
    eventually(lambda: provider.status(NAME).phase is Phase.READY, 60)
    prober = ["-l", "app=lab-prober", "--field-selector=spec.nodeName=cpu-2"]
    kubectl = Kubectl(handle, "lab-system")
    eventually(lambda: kubectl.get("pods", *prober)["items"][0]["status"]["containerStatuses"][0]["ready"], 60)


def test_reset_goes_back_to_the_first_state(handle: ClusterHandle, provider: EngineProvider) -> None:
    kubectl = Kubectl(handle)
    kubectl("create", "namespace", "scratch")
    again = provider.reset(NAME)
    assert again.id == handle.id
    assert again.since > handle.since  # type: ignore[operator] # the engine says it
    assert "scratch" not in kubectl("get", "namespaces")
    assert kubectl.get("pods")["items"] == []
    # A pod that has no status yet has not restarted either; the name server's has one, since `reset` waits for it.
    statuses = [s for p in kubectl.get("pods", "-A")["items"] for s in p["status"].get("containerStatuses", [])]
    assert {s["restartCount"] for s in statuses} == {0}


def test_another_profile_needs_another_cluster(handle: ClusterHandle, provider: EngineProvider) -> None:
    with pytest.raises(UsageError, match="was made from profile 'two-cpu'"):
        provider.up(NAME, profile="three-cpu")
    with pytest.raises(UsageError, match="no profile"):
        provider.up(NAME, profile="nine-gpu")
    with pytest.raises(UsageError, match="not a name"):
        provider.up("../other")
    assert handle.name == NAME


def test_down_leaves_nothing(
    handle: ClusterHandle, here: Layout, provider: EngineProvider, host_before: set[str]
) -> None:
    assert traces(here).keys() >= {"processes", "mounts", "links", "cgroups", "files"}
    provider.down(handle.name)
    assert traces(here) == {}
    provider.down(handle.name)
    assert traces(here) == {}
    assert host_state() == host_before
    assert provider.status(NAME).phase is Phase.ABSENT


@pytest.mark.parametrize("seconds", [0.3, 1.5, 4.0])
def test_an_interrupted_start_is_mended_or_removed(here: Layout, provider: EngineProvider, seconds: float) -> None:
    program = f"from labs.providers.engine.provider import EngineProvider as E; E().up({NAME!r})"
    starting = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    time.sleep(seconds)  # not a wait for something: the point in time is the test
    starting.kill()
    starting.wait()
    if seconds > 1:
        assert provider.up(NAME).name == NAME
        assert provider.status(NAME).phase is Phase.READY
    provider.down(NAME)
    assert traces(here) == {}
