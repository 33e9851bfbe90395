"""Simulated GPUs on the real engine: what the scheduler and the kubelet make of them, and one that breaks.

`LABS_TEST_GPU_CLUSTER=NAME` uses a cluster that runs already, which is quicker while writing tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from engine_kubectl import Kubectl, eventually, lent, pod

from grader.capabilities import Requires
from grader.live import LiveCluster
from grader.model import Action, Check, Outcome
from grader.runner import grade
from labs.attempts.outage import Power, mend
from labs.errors import UsageError
from labs.providers.base import ClusterHandle
from labs.providers.engine.provider import EngineProvider

pytestmark = pytest.mark.cluster

NAME = "gpu-tests"
GPU = "nvidia.com/gpu"
TOLERATED = {"tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]}
SLEEP = ["sleep", "600"]
WHOLE = Check.model_validate(
    {
        "id": "whole",
        "about": "The node has its GPUs",
        "observe": {"nodes": {"kind": "Node", "selector": "pool=gpu"}},
        "cel": f"nodes.all(n, n.status.allocatable['{GPU}'] == '2')",
    }
)
LOST = Check.model_validate(
    {
        "id": "lost",
        "about": "It has them after a loss",
        "triggered": {"do": {"lose_gpu": {"kind": "Node", "selector": "pool=gpu"}}, "then": "whole", "within": 1},
    }
)


@pytest.fixture(scope="module")
def pool(provider: EngineProvider) -> Iterator[ClusterHandle]:
    with lent(provider, "LABS_TEST_GPU_CLUSTER", NAME, "two-cpu-one-gpu") as handle:
        yield handle


@pytest.fixture(scope="module")
def gpus(pool: ClusterHandle) -> Iterator[Kubectl]:
    tool = Kubectl(pool, "gpus")
    tool("create", "namespace", "gpus")
    yield tool
    tool("delete", "namespace", "gpus", "--wait=false")


@pytest.fixture(scope="module")
def tools_image(gpus: Kubectl) -> str:
    daemons = Kubectl(gpus.handle, "lab-system").get("daemonset", "lab-prober")
    return str(daemons["spec"]["template"]["spec"]["containers"][0]["image"])


def count(kubectl: Kubectl) -> int:
    return int(kubectl.get("node", "gpu-1")["status"]["allocatable"].get(GPU, 0))


def wanting(name: str, image: str, number: int, **spec: Any) -> dict[str, Any]:
    return pod(name, image, SLEEP, resources={"limits": {GPU: number}}, pod_spec=spec)


def waits_because(kubectl: Kubectl, name: str) -> str:
    def said() -> str:
        conditions = kubectl.get("pod", name)["status"].get("conditions", [])
        return next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")

    return eventually(said)


def test_a_pod_gets_the_gpu_it_asks_for_and_others_the_schedulers_words(gpus: Kubectl, tools_image: str) -> None:
    assert gpus.handle.capabilities.gpu == "simulated"
    assert gpus.get("node", "gpu-1")["metadata"]["labels"]["simulated"] == "true"
    assert count(gpus) == 2, "a cluster that is up does not offer its GPUs"
    gpus.apply(
        wanting("one", tools_image, 1, **TOLERATED),
        wanting("untolerated", tools_image, 1),
        wanting("greedy", tools_image, 3, **TOLERATED),
    )
    gpus.wait("pod/one", "condition=Ready")
    assert gpus.get("pod", "one")["spec"]["nodeName"] == "gpu-1"
    assert gpus("exec", "one", "--", "printenv", "NVIDIA_VISIBLE_DEVICES").strip() == "gpu-0"
    assert "1 node(s) had untolerated taint" in waits_because(gpus, "untolerated")
    assert f"Insufficient {GPU}" in waits_because(gpus, "greedy")
    gpus("delete", "pod", "untolerated", "greedy", "--now")


def test_a_gpu_is_lost_and_comes_back(gpus: Kubectl, tools_image: str) -> None:
    action = Action.model_validate({"lose_gpu": {"kind": "Node", "selector": "pool=gpu"}})
    with closing(LiveCluster(gpus.handle.kubeconfig, machines=Power(gpus.handle))) as live:
        acted = live.act(action, "gpus")
        assert acted.words == "losing a GPU of Node gpu-1"
        assert count(gpus) == 1
        gpus.apply(wanting("both", tools_image, 2, **TOLERATED))
        assert f"Insufficient {GPU}" in waits_because(gpus, "both")
        acted.undo()
        assert count(gpus) == 2
    gpus("delete", "pod", "both", "--now")


def test_a_triggered_check_sees_the_loss_and_leaves_the_node_whole(gpus: Kubectl) -> None:
    with closing(LiveCluster(gpus.handle.kubeconfig, machines=Power(gpus.handle))) as live:
        has = gpus.handle.capabilities
        report = grade(
            "gpus", [WHOLE, LOST], [], live, has=has, requires=Requires(gpu="any"), namespaces=["gpus"], baseline=None
        )
    whole, lost = report.checks
    assert whole.outcome is Outcome.PASSED
    assert lost.outcome is Outcome.FAILED, lost.observed
    assert "after losing a GPU of Node gpu-1" in lost.observed
    assert count(gpus) == 2


def test_what_a_killed_grading_has_broken_is_mended_by_the_next(gpus: Kubectl) -> None:
    power = Power(gpus.handle)
    power.lose_gpu("gpu-1")
    eventually(lambda: count(gpus) == 1)
    assert mend(gpus.handle) == []  # the grading that broke it lives
    assert power._held
    power._held.close()  # what is left of a process that was killed
    assert mend(gpus.handle) == ["gpu-1"]
    eventually(lambda: count(gpus) == 2)
    assert mend(gpus.handle) == []


def test_the_gpus_outlive_a_kubelet(provider: EngineProvider, gpus: Kubectl) -> None:
    def part(name: str) -> Any:
        known = {c.name: c for c in provider.status(gpus.handle.name).components}
        return known[f"gpu-1/{name}"]

    before = part("gpu-plugin").restarts
    os.kill(part("kubelet").pid, signal.SIGKILL)
    eventually(lambda: part("gpu-plugin").restarts > before and part("gpu-plugin").running, 60)
    eventually(lambda: count(gpus) == 2, 60)


def test_nodes_without_gpus_lose_none(provider: EngineProvider, gpus: Kubectl) -> None:
    with pytest.raises(UsageError, match=r"node 'cpu-1' of cluster .* has no simulated GPUs"):
        provider.lose_gpu(gpus.handle.name, "cpu-1")
