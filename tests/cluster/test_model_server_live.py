"""The inference server as a Deployment: an autoscaler on its own metric, a rollout under load that nobody notices."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from engine_kubectl import Kubectl, eventually

from grader.cluster import HttpRequest, LoadAnswer, LoadRequest
from grader.live import LiveCluster
from labs.providers.base import ClusterHandle
from labs.providers.engine.provider import EngineProvider

pytestmark = pytest.mark.cluster

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)
METRIC = "inference_requests_per_second"


def manifests(name: str, namespace: str) -> list[dict[str, Any]]:
    text = (DATA / f"{name}.yaml").read_text()
    return list(yaml.safe_load_all(re.sub(r"\bNAMESPACE\b", namespace, text)))


@pytest.fixture
def served(provider: EngineProvider, cluster: ClusterHandle, kubectl: Kubectl) -> Iterator[Kubectl]:
    objects, outside = (manifests(name, kubectl.namespace) for name in ("model-server", "custom-metrics"))
    deployments = [obj for obj in objects if obj["kind"] == "Deployment"]
    images = {c["image"] for d in deployments for c in d["spec"]["template"]["spec"]["containers"]}
    provider.provide_images(cluster.name, images)
    system = Kubectl(cluster, "kube-system")
    kubectl.apply(*objects)
    try:
        system.apply(*outside)
        for one in deployments:
            kubectl.wait(f"deployment/{one['metadata']['name']}", "condition=Available", 120)
        yield kubectl
    finally:
        # An API whose server is gone holds up the deletion of every namespace of the cluster: it goes first.
        for obj in reversed(outside):
            system("delete", "--ignore-not-found", obj["kind"], obj["metadata"]["name"])


class Load:
    """Clients that ask all the time, in rounds, until told to stop."""

    def __init__(self, cluster: LiveCluster, namespace: str) -> None:
        tensor = {"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [0.1] * 20}
        url = f"http://server.{namespace}.svc/v2/models/mlp/infer"
        self._request = LoadRequest(url, body={"inputs": [tensor]}, rate=20, seconds=5)
        self._cluster = cluster
        self._enough = Event()

    def run(self) -> list[LoadAnswer]:
        answers = []
        while not self._enough.is_set():
            answers.append(self._cluster.load(self._request))
        return answers

    def stop(self) -> None:
        self._enough.set()


def test_a_rollout_and_the_autoscaler_lose_no_request(served: Kubectl, cluster: ClusterHandle) -> None:
    def pods() -> int:
        return int(served.get("deployment", "server")["status"].get("readyReplicas", 0))

    eventually(lambda: pods() == 2, 60)
    with closing(LiveCluster(cluster.kubeconfig)) as asked, ThreadPoolExecutor(1) as pool:
        ready = HttpRequest(f"http://server.{served.namespace}.svc/v2/health/ready", count=20)
        eventually(lambda: all(answer.status == 200 for answer in asked.http(ready)), 30)  # the proxies know it too
        load = Load(asked, served.namespace)
        asking = pool.submit(load.run)
        try:
            eventually(lambda: pods() == 3, 120)
            served("rollout", "restart", "deployment/server")
            served("rollout", "status", "deployment/server", "--timeout=120s", seconds=130)
        finally:
            load.stop()
        answers = asking.result()
    for answer in answers:
        assert (answer.statuses, answer.errors) == ({200: answer.sent}, {}), answer
    scaler = served.get("hpa", "server")
    (metric,) = [m["pods"] for m in scaler["status"]["currentMetrics"]]
    assert metric["metric"]["name"] == METRIC
    active = next(c for c in scaler["status"]["conditions"] if c["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("True", "ValidMetricFound"), active
    events = served.get("events", "--field-selector=reason=SuccessfulRescale")["items"]
    assert any(METRIC in event["message"] for event in events), events


def test_the_bill_of_materials_lists_every_pinned_wheel(cluster: ClusterHandle, tmp_path: Path) -> None:
    assert cluster.name  # its images are there
    file = tmp_path / "server.spdx.json"
    said = subprocess.run(
        [sys.executable, "-m", "labs", "images", "sbom", "model-server", str(file), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = {(p["name"].lower().replace("_", "-"), p["versionInfo"]) for p in json.loads(file.read_text())["packages"]}
    pinned = PINNED.findall((ROOT / "model_server" / "requirements.txt").read_text())
    assert pinned
    assert [wheel for wheel in pinned if (wheel[0].lower().replace("_", "-"), wheel[1]) not in found] == []
    assert json.loads(said.stdout)["packages"] >= len(pinned)
