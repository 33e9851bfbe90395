"""Acts on machines: which node is killed, what is unknown where it cannot be, and that it always comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader import outage
from grader.capabilities import Capabilities, Requires
from grader.errors import Unanswered
from grader.fake_cluster import FakeCluster, Inside, _Switch
from grader.model import Check, Objects, Outcome
from labs import providers
from labs.attempts.outage import Power, mend
from labs.errors import EngineError, UsageError
from labs.events import Event, Notice
from labs.providers.base import ClusterHandle
from tests.unit.grader_world import NOW, NS, Clock, ago, run

Json = dict[str, Any]
PODS = {"kind": "Pod", "namespace": NS, "selector": "app=a"}


def ready(status: str = "True") -> list[Json]:
    return [{"type": "Ready", "status": status, "lastTransitionTime": ago(3600)}]


def node(name: str, status: str = "True") -> Json:
    meta = {"name": name, "uid": name}
    return {"kind": "Node", "metadata": meta, "spec": {}, "status": {"conditions": ready(status)}}


def gpu_node(name: str, gpus: int) -> Json:
    made = node(name)
    made["status"]["allocatable"] = {outage.GPU: str(gpus)}
    return made


def pod(name: str, on: str = "") -> Json:
    state = {"name": "c", "ready": True, "state": {"running": {"startedAt": ago(3600)}}}
    meta = {"name": name, "namespace": NS, "uid": name, "labels": {"app": "a"}, "creationTimestamp": ago(3600)}
    return {
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [{"name": "c"}], **({"nodeName": on} if on else {})},
        "status": {"phase": "Running", "conditions": ready(), "containerStatuses": [state]},
    }


def serves() -> Check:
    cel = 'pods.exists(p, p.status.conditions.exists(c, c.type == "Ready" && c.status == "True"))'
    body = {"id": "serves", "about": "somebody serves", "cel": cel, "observe": {"pods": PODS}}
    return Check.model_validate(body)


def survives(**act: Any) -> Check:
    body = {"do": act or {"kill_node": PODS}, "then": "serves", "within": 30}
    return Check.model_validate({"id": "survives", "about": "it survives", "points": 3, "triggered": body})


class Refusing:
    """Nobody here has a switch."""

    def kill(self, node: str) -> None:
        raise Unanswered(f"Node {node} cannot be switched off: its provider is kind", hint="labs up --provider engine")

    def start(self, node: str) -> None:
        raise Unanswered(f"Node {node} cannot be switched on")

    def lose_gpu(self, node: str) -> None:
        raise Unanswered(
            f"Node {node} has no simulated GPU that could be lost", hint="labs up --profile two-cpu-one-gpu"
        )

    def return_gpu(self, node: str) -> None:
        raise Unanswered(f"Node {node} has none")


SPREAD = [node("one"), node("two"), pod("a-1", "one"), pod("a-2", "two")]
TOGETHER = [node("one"), node("two"), pod("a-1", "one"), pod("a-2", "one")]
GPUS = {"lose_gpu": {"kind": "Node", "name": "one"}}
NAMED = {"kill_node": {"kind": "Node", "name": "two"}}


@pytest.mark.parametrize(
    ("objects", "act", "machines", "outcome", "said"),
    [
        (SPREAD, {}, None, Outcome.PASSED, "after killing Node one"),
        (SPREAD, NAMED, None, Outcome.PASSED, "after killing Node two"),
        (TOGETHER, NAMED, None, Outcome.PASSED, "after killing Node two"),
        (TOGETHER, {}, None, Outcome.FAILED, "30 s after killing Node one: "),
        ([node("one"), node("two"), pod("a-1")], {}, None, Outcome.FAILED, "Pod a-1 in serving is on no node"),
        (SPREAD, {"kill_node": {"kind": "Node", "name": "x"}}, None, Outcome.FAILED, "there is no Node x to kill node"),
        ([node("one"), node("two", "False"), pod("a-1", "one")], {}, None, Outcome.UNKNOWN, "only one that is Ready"),
        (SPREAD, {}, Refusing(), Outcome.UNKNOWN, "its provider is kind (hint: labs up --provider engine)"),
        (SPREAD, GPUS, None, Outcome.UNKNOWN, "Node one has no simulated GPU that could be lost (hint: "),
        ([gpu_node("one", 2), pod("a-1", "one")], GPUS, None, Outcome.PASSED, "after losing a GPU of Node one"),
        (
            [gpu_node("one", 1), pod("a-1", "one")],
            GPUS,
            Refusing(),
            Outcome.UNKNOWN,
            "no simulated GPU that could be lost (hint: labs up",
        ),
    ],
)
def test_a_node_is_killed_and_comes_back(
    objects: list[Json], act: Json, machines: Any, outcome: Outcome, said: str
) -> None:
    cluster = FakeCluster(objects, inside=Inside(machines=machines), now=NOW)
    before = [str(obj) for obj in cluster.objects]
    report = run(cluster, [survives(**act), serves()], Clock(cluster))
    assert report.checks[0].outcome is outcome, report.checks[0].observed
    assert said in report.checks[0].observed
    assert report.possible == (4 if outcome is not Outcome.UNKNOWN else 1)  # what is unknown costs nothing
    assert [str(obj) for obj in cluster.objects] == before


def test_a_scenario_that_needs_the_switch_is_not_for_a_cluster_without() -> None:
    wanted = Requires(node_power=True)
    assert wanted.missing(Capabilities()) == ["needs node power, which this cluster does not have"]
    assert wanted.missing(Capabilities(node_power=True)) == []


class Switch:
    """A switch that is written down, and what the cluster makes of it.

    Args:
        cluster: Whose nodes.
        noticed: Whether the cluster notices.
        raises: What happens while a node is switched off.
    """

    def __init__(self, cluster: FakeCluster, *, noticed: bool = True, raises: BaseException | None = None) -> None:
        self.cluster = cluster
        self.noticed = noticed
        self.raises = raises
        self.said: list[str] = []

    def kill(self, name: str) -> None:
        self.said.append(f"kill {name}")
        if self.raises:
            raise self.raises
        if self.noticed:
            _Switch(self.cluster).kill(name)

    def start(self, name: str) -> None:
        self.said.append(f"start {name}")
        _Switch(self.cluster).start(name)

    def lose_gpu(self, name: str) -> None:
        self.said.append(f"lose {name}")
        if self.raises:
            raise self.raises
        if self.noticed:
            _Switch(self.cluster).lose_gpu(name)

    def return_gpu(self, name: str) -> None:
        self.said.append(f"return {name}")
        if self.noticed and not self.raises:
            _Switch(self.cluster).return_gpu(name)


@pytest.mark.parametrize("raises", [KeyboardInterrupt(), Unanswered("it does not answer")])
def test_a_loss_that_is_interrupted_is_mended(raises: BaseException) -> None:
    switch = Switch(FakeCluster([gpu_node("one", 2)]), raises=raises)
    with pytest.raises(type(raises)):
        outage.lose_gpu(switch, "one", switch.cluster.read)
    assert switch.said == ["lose one", "return one"]


def test_a_loss_that_nobody_notices_is_unknown_and_mended() -> None:
    switch = Switch(FakeCluster([gpu_node("one", 2)]), noticed=False)
    clock = iter(range(0, 999, 20)).__next__
    with pytest.raises(Unanswered, match="has not noticed it in time"):
        outage.lose_gpu(switch, "one", switch.cluster.read, sleep=lambda _: None, clock=clock)
    assert switch.said == ["lose one", "return one"]


@pytest.mark.parametrize("raises", [KeyboardInterrupt(), Unanswered("a process cannot be killed")])
def test_what_is_interrupted_or_fails_half_way_is_switched_on_again(raises: BaseException) -> None:
    switch = Switch(FakeCluster(SPREAD), raises=raises)
    avoided: list[tuple[str, ...]] = []
    with pytest.raises(type(raises)):
        outage.kill(switch, "one", switch.cluster.read, lambda *nodes: avoided.append(nodes))
    assert switch.said == ["kill one", "start one"]
    assert avoided == [("one",), ()]


def test_a_check_that_is_interrupted_brings_the_node_back() -> None:
    cluster = FakeCluster(SPREAD, now=NOW)
    switch = Switch(cluster)
    cluster.inside.machines = switch
    clock = Clock(cluster)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.at(5, interrupt)
    both = serves().model_copy(update={"cel": str(serves().cel).replace("exists(p", "all(p")})
    with pytest.raises(KeyboardInterrupt):
        run(cluster, [survives(), both], clock)
    assert switch.said == ["kill one", "start one"]


def test_a_loss_that_nobody_notices_judges_nothing() -> None:
    switch = Switch(FakeCluster(SPREAD), noticed=False)
    time = iter(range(10_000))
    with pytest.raises(Unanswered, match="the cluster has not noticed it in time"):
        outage.kill(switch, "one", switch.cluster.read, sleep=lambda _: None, clock=lambda: float(next(time)))
    assert switch.said == ["kill one", "start one"]


@pytest.mark.parametrize("comes", [True, False])
def test_the_labs_own_pods_are_moved_before_anybody_is_judged(comes: bool) -> None:
    """A name server that is down with its node would fail every right answer."""
    own = [{"kind": "ReplicaSet", "name": "coredns", "uid": "rs"}]
    dns, agent = pod("dns-1", "one"), pod("agent", "one")
    for obj, owners in ((dns, own), (agent, [{"kind": "DaemonSet", "name": "agent", "uid": "ds"}])):
        obj["metadata"] |= {"namespace": "kube-system", "ownerReferences": owners}
    switch = Switch(FakeCluster([*SPREAD, dns, agent]))
    removed: list[str] = []

    def remove(gone: Json) -> None:
        removed.append(gone["metadata"]["name"])
        if comes:
            fresh = pod("dns-2", "two")
            fresh["metadata"] |= {"namespace": "kube-system", "ownerReferences": own}
            switch.cluster.objects.append(fresh)

    time = iter(range(10_000))
    more: Any = {"sleep": lambda _: None, "clock": lambda: float(next(time))}
    if comes:
        outage.kill(switch, "one", switch.cluster.read, remove=remove, **more).undo()
    else:
        with pytest.raises(Unanswered, match="own pods were not made anew on another node in time"):
            outage.kill(switch, "one", switch.cluster.read, remove=remove, **more)
    assert removed == ["dns-1"]
    assert switch.said == ["kill one", "start one"]


def test_the_one_who_watches_is_left_on_where_there_is_a_choice() -> None:
    of = Objects(kind="Pod", namespace=NS)
    assert outage.node_of(of, SPREAD[2:], "kill_node", last="one") == "two"
    assert outage.node_of(of, TOGETHER[2:], "kill_node", last="one") == "one"


# --- the switch itself -----------------------------------------------------------------------------------------------


class Provider:
    """Remembers which nodes are off, and what was written down when one was switched off."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.off: set[str] = set()
        self.written: list[str] = []
        self.fails = False

    def kill_node(self, _cluster: str, name: str) -> None:
        self.written.append(self.file.read_text())
        if name == "nine":
            raise UsageError("there is no node nine", hint="nodes: one, two")
        self.off.add(name)

    def start_node(self, _cluster: str, name: str) -> None:
        if self.fails:
            raise EngineError("no link", hint="labs up")
        self.off.discard(name)

    def lose_gpu(self, _cluster: str, name: str) -> None:
        self.written.append(self.file.read_text())
        self.off.add(f"a GPU of {name}")

    def return_gpu(self, _cluster: str, name: str) -> None:
        self.off.discard(f"a GPU of {name}")


@pytest.fixture
def handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterHandle:
    monkeypatch.setenv("LABS_STATE", str(tmp_path))
    return ClusterHandle("lab", "engine", "id-1", tmp_path / "kubeconfig", Capabilities(node_power=True))


@pytest.fixture
def provider(handle: ClusterHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider(tmp_path / "locks" / f"{handle.id}-nodes-off")
    monkeypatch.setattr(providers, "provider", lambda _name: made)
    return made


def test_a_node_is_written_down_before_it_is_switched_off(handle: ClusterHandle, provider: Provider) -> None:
    power = Power(handle)
    power.kill("one")
    assert (provider.written, provider.off) == (["one"], {"one"})
    assert mend(handle) == []  # somebody lives who will do it
    with pytest.raises(Unanswered, match="another grading") as error:
        Power(handle).kill("two")
    assert error.value.hint
    power.start("one")
    assert provider.off == set()
    assert not provider.file.exists()
    power.start("one")


def test_a_gpu_is_written_down_before_it_is_broken(handle: ClusterHandle, provider: Provider) -> None:
    with pytest.raises(Unanswered, match="Node one has no simulated GPU") as error:
        Power(handle).lose_gpu("one")
    assert "two-cpu-one-gpu" in error.value.hint
    with_gpus = replace(handle, capabilities=Capabilities(gpu="simulated"))
    power = Power(with_gpus)
    power.lose_gpu("one")
    assert (provider.written, provider.off) == (["one/gpu"], {"a GPU of one"})
    assert power._held is not None
    power._held.close()  # as the kernel does for a process that is gone
    said: list[Event] = []
    assert mend(with_gpus, said.append) == ["one"]
    assert provider.off == set()
    assert "a GPU of node one was broken" in str(said[0])


def test_what_a_killed_process_left_off_is_switched_on_by_the_next(handle: ClusterHandle, provider: Provider) -> None:
    power = Power(handle)
    power.kill("one")
    assert power._held is not None
    power._held.close()  # as the kernel does for a process that is gone
    said: list[Event] = []
    provider.fails = True
    with pytest.raises(EngineError):
        mend(handle, said.append)
    provider.fails = False
    assert mend(handle, said.append) == ["one"]
    assert provider.off == set()
    assert isinstance(said[-1], Notice)
    assert mend(handle) == []


def test_what_cannot_be_switched_off_is_said_with_the_mend(handle: ClusterHandle, provider: Provider) -> None:
    with pytest.raises(Unanswered, match="no node nine") as error:
        Power(handle).kill("nine")
    assert error.value.hint == "nodes: one, two"
    assert not provider.file.exists()
    kind = ClusterHandle("lab", "kind", "id-2", handle.kubeconfig, Capabilities())
    with pytest.raises(Unanswered, match="its provider is kind") as error:
        Power(kind).kill("one")
    assert "--provider engine" in error.value.hint
    assert len(provider.written) == 1
