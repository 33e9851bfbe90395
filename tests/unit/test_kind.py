"""The kind provider's conversation with kind, docker and kubectl: what it says and what it leaves alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml

from grader.capabilities import Requires
from labs import paths
from labs.errors import ClusterError, EngineError, MachineError, TakenError, UsageError
from labs.events import Event, Listener, State, Step
from labs.providers import kind as kind_module
from labs.providers.base import Phase
from labs.providers.commands import Completed, Scripted, System
from labs.providers.kind import KindProvider
from labs.providers.kind_files import Images, config
from labs.providers.profile import load_profile

NAMES = {"tools": "registry.lab/tools:1.0", "metrics-server": "registry.lab/metrics-server:0.9.0"}
READY = {"type": "Ready", "status": "True"}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("LABS_KIND_NODE_IMAGE", raising=False)


class Kind(Scripted):
    """kind, docker and kubectl as they behave when all is well: it remembers clusters and what was applied."""

    def __init__(self) -> None:
        super().__init__()
        self.clusters: list[str] = []
        self.applied: list[dict[str, object]] = []
        self.broken = ""
        self.answers = {
            "docker info": Completed(out="27.0\n"),
            "podman": Completed(125, err="no podman"),
            "kind get clusters": lambda _argv, _text: Completed(out="\n".join(self.clusters)),
            "kind get nodes": Completed(out="labs-lab-control-plane\nlabs-lab-worker\n"),
            "kind create cluster": self._create,
            "kind delete cluster": self._delete,
            "kubectl": self._kubectl,
        }

    def _create(self, argv: list[str], _text: str) -> Completed:
        name, kubeconfig = argv[argv.index("--name") + 1], Path(argv[argv.index("--kubeconfig") + 1])
        self.clusters.append(name)
        kubeconfig.write_text("apiVersion: v1\n")
        return Completed(1, err="ERROR: node(s) already exist\n") if self.broken == "create" else Completed()

    def _delete(self, argv: list[str], _text: str) -> Completed:
        self.clusters.remove(argv[argv.index("--name") + 1])
        return Completed()

    def _kubectl(self, argv: list[str], text: str) -> Completed:
        if "apply" in argv:
            self.applied = list(yaml.safe_load_all(text))
        if "configmap" in argv:
            owner = next(item for item in self.applied if item["kind"] == "ConfigMap")
            return Completed(out=str(owner["data"]["id"]))  # type: ignore[index] # YAML of our own
        if "nodes" in argv:
            node = {"metadata": {"name": "labs-lab-worker"}, "status": {"conditions": [READY]}}
            return Completed(out=json.dumps({"items": [node]}))
        return Completed()


def images(_emit: Listener) -> Images:
    return Images(NAMES, (Path("/cache/tools.tar"), Path("/cache/metrics-server.tar")))


def provider(kind: Scripted) -> KindProvider:
    return KindProvider(runner=kind, images=images, kubectl="kubectl")


def test_up_makes_a_marked_cluster_in_this_order_and_waits_for_it() -> None:
    kind, events = Kind(), list[Event]()
    handle = provider(kind).up("lab", emit=events.append)
    done = [line for line in map(" ".join, kind.calls) if not line.startswith(("kind version", "docker info"))]
    assert [line.split(" --")[0] for line in done if line.startswith("kind")] == [
        "kind get clusters",
        "kind create cluster",
        "kind load image-archive /cache/tools.tar",
        "kind load image-archive /cache/metrics-server.tar",
    ]
    assert [line.split("kubeconfig ")[2] for line in done if line.startswith("kubectl")] == [
        "apply --server-side --force-conflicts -f -",
        "wait --for=condition=Ready node --all --timeout=180s",
        "-n kube-system rollout status deployment/coredns --timeout=180s",
        "-n lab-system rollout status daemonset/lab-prober --timeout=180s",
    ]
    assert (handle.provider, handle.name) == ("kind", "lab")
    assert stat.S_IMODE(handle.kubeconfig.stat().st_mode) == 0o600
    assert Requires(nodes=2, network_policy=True, metrics=True).missing(handle.capabilities) == []
    owner = next(item for item in kind.applied if item["kind"] == "ConfigMap")
    assert owner["data"] == {"id": handle.id, "cluster": "lab"}
    assert {event.state for event in events if isinstance(event, Step)} == {State.RUNNING, State.DONE}


def test_kinds_own_system_objects_are_not_replaced_and_metrics_server_trusts_kinds_kubelets() -> None:
    kind = Kind()
    provider(kind).up("lab")
    kinds = [item["kind"] for item in kind.applied]
    assert "StorageClass" not in kinds
    assert kinds[:2] == ["Namespace", "ConfigMap"]
    text = json.dumps(kind.applied)
    assert "--kubelet-insecure-tls" in text
    assert "--kubelet-certificate-authority" not in text


def test_a_second_up_starts_the_nodes_and_makes_nothing_anew() -> None:
    kind = Kind()
    first = provider(kind).up("lab")
    kind.calls.clear()
    second = provider(kind).up("lab")
    assert second == first == provider(kind).handle("lab")
    assert ["docker", "start", "labs-lab-control-plane", "labs-lab-worker"] in kind.calls
    assert not any("create" in call for call in kind.calls)


def test_an_interrupted_creation_is_mended_by_the_next_up() -> None:
    kind = Kind()
    kind.broken = "create"
    with pytest.raises(EngineError, match=r"already exist") as caught:
        provider(kind).up("lab")
    assert caught.value.hint
    assert provider(kind).status("lab").phase is Phase.STARTING
    with pytest.raises(ClusterError):
        provider(kind).handle("lab")
    kind.broken = ""
    provider(kind).up("lab")
    assert kind.clusters == ["labs-lab"]
    assert any(call[:3] == ["kind", "delete", "cluster"] for call in kind.calls)


def test_a_cluster_that_this_lab_did_not_make_is_left_alone() -> None:
    kind = Kind()
    kind.clusters = ["labs-lab", "work"]
    with pytest.raises(TakenError):
        provider(kind).up("lab")
    provider(kind).down("lab")
    provider(kind).down("work")
    assert kind.clusters == ["labs-lab", "work"]
    assert provider(kind).names() == []


def test_down_leaves_nothing_and_can_be_repeated() -> None:
    kind = Kind()
    provider(kind).up("lab")
    assert provider(kind).names() == ["lab"]
    assert provider(kind).status("lab").phase is Phase.READY
    provider(kind).down("lab")
    provider(kind).down("lab")
    assert kind.clusters == []
    assert list((paths.state_dir() / "kind").iterdir()) == []
    assert provider(kind).status("lab").phase is Phase.ABSENT


def test_reset_makes_the_same_topology_with_a_new_mark() -> None:
    kind = Kind()
    first = provider(kind).up("lab", profile="three-cpu")
    second = provider(kind).reset("lab")
    assert second.capabilities.nodes == first.capabilities.nodes == 3
    assert second.id != first.id


def test_another_labs_mark_is_respected() -> None:
    kind = Kind()
    provider(kind).up("lab")
    next(item for item in kind.applied if item["kind"] == "ConfigMap")["data"] = {"id": "somebody-else"}
    with pytest.raises(TakenError, match="another lab's mark"):
        provider(kind).handle("lab")


def test_a_stopped_cluster_is_told_from_a_broken_one() -> None:
    kind = Kind()
    provider(kind).up("lab")
    bad = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    node = {"metadata": {"name": "labs-lab-worker"}, "status": {"conditions": [bad]}}
    kind.answers["kubectl"] = Completed(out=json.dumps({"items": [node]}))
    status = provider(kind).status("lab")
    assert (status.phase, status.nodes) == (Phase.DEGRADED, {"labs-lab-worker": "NodeStatusUnknown"})
    kind.answers["kubectl"] = Completed(1, err="connection refused")
    assert provider(kind).status("lab").phase is Phase.STOPPED


def test_what_is_missing_is_found_before_the_first_side_effect() -> None:
    kind = Kind()
    kind.absent = {"kind"}
    with pytest.raises(MachineError, match="kind is not installed"):
        provider(kind).up("lab")
    kind.absent = {"docker", "podman"}
    with pytest.raises(MachineError, match="docker is not installed"):
        provider(kind).up("lab")
    with pytest.raises(UsageError):
        provider(Kind()).up("Bad Name")
    with pytest.raises(UsageError):
        provider(Kind()).up("lab", profile="no-such")
    with pytest.raises(UsageError, match="simulated GPUs, which kind's nodes do not have") as gpus:
        provider(Kind()).up("lab", profile="two-cpu-one-gpu")
    assert "--provider engine" in gpus.value.hint
    assert kind.clusters == []


def test_podman_serves_where_docker_does_not() -> None:
    kind = Kind()
    kind.answers["docker info"] = Completed(1, err="Cannot connect to the Docker daemon")
    kind.answers["podman"] = Completed(out="5.4\n")
    found = provider(kind).probe()
    assert [(finding.id, finding.ok) for finding in found] == [("kind", True), ("runtime", True)]
    assert found[1].observed == "podman 5.4"


def test_the_config_has_a_worker_for_each_node_of_the_profile() -> None:
    parsed = yaml.safe_load(config("labs-lab", load_profile("two-cpu"), image="kindest/node:v1.36.2"))
    assert [node["role"] for node in parsed["nodes"]] == ["control-plane", "worker", "worker"]
    assert [node.get("labels") for node in parsed["nodes"]] == [None, {"pool": "cpu"}, {"pool": "cpu"}]
    assert {node["image"] for node in parsed["nodes"]} == {"kindest/node:v1.36.2"}
    assert parsed["networking"] == {"apiServerAddress": "127.0.0.1"}
    kubelet, *servers = [yaml.safe_load(patch) for patch in parsed["kubeadmConfigPatches"]]
    assert kubelet["failCgroupV1"] is False
    told = {server["apiVersion"].rpartition("/")[2]: server["apiServer"]["extraArgs"] for server in servers}
    assert told == {"v1beta4": [{"name": "event-ttl", "value": "24h0m0s"}], "v1beta3": {"event-ttl": "24h0m0s"}}


def test_the_real_runner_ends_a_program_that_takes_too_long_and_feeds_it_text() -> None:
    run = System()
    assert run(["cat"], text="hello") == Completed(0, "hello", "")
    seen = list[float]()
    with pytest.raises(MachineError, match="did not end within"):
        run(["sleep", "30"], seconds=0.6, progress=seen.append)
    assert seen
    with pytest.raises(MachineError, match="is not installed"):
        run(["no-such-program-here"])


def test_an_image_on_demand_is_loaded_once_for_each_content(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, built = "registry.lab/prometheus:2.42.0", [Path("/cache/prometheus-0123456789ab.tar")]
    monkeypatch.setattr(kind_module, "on_demand", lambda wanted, _emit: built if reference in wanted else [])
    kind = Kind()
    made = provider(kind)
    made.up("lab")

    def loaded() -> list[str]:
        return [argv[3] for argv in kind.calls if argv[:3] == ["kind", "load", "image-archive"] and "prom" in argv[3]]

    made.provide_images("lab", {"registry.lab/tools:1.0"})
    assert loaded() == []
    for _ in range(2):
        made.provide_images("lab", {reference})
    assert loaded() == [str(built[0])]
    built[0] = Path("/cache/prometheus-ba9876543210.tar")
    made.provide_images("lab", {reference})
    assert len(loaded()) == 2
    with pytest.raises(ClusterError):
        made.provide_images("another", {reference})
