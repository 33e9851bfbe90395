"""What a learner meets on the embedded engine is what production shows: failures in the cluster's own words."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from typing import Any

import pytest
from engine_kubectl import Kubectl, eventually, pod

from labs import images as lab_images

pytestmark = pytest.mark.cluster

SERVE = ["python3", "-u", "-m", "http.server", "8000"]
SLEEP = ["sleep", "3600"]


def waiting_reason(kubectl: Kubectl, name: str) -> str:
    statuses = kubectl.get("pod", name)["status"].get("containerStatuses", [])
    return str(statuses[0]["state"].get("waiting", {}).get("reason", "")) if statuses else ""


def condition(kubectl: Kubectl, name: str, kind: str) -> dict[str, Any]:
    found = kubectl.get("pod", name)["status"].get("conditions", [])
    return next((c for c in found if c["type"] == kind), {})


def test_an_unknown_image_is_refused_at_once(kubectl: Kubectl) -> None:
    kubectl.apply(pod("typo", "registry.lab/modle-server:1", SLEEP), pod("far", "docker.io/library/nothing:1", SLEEP))
    began = time.monotonic()
    for name in ("typo", "far"):
        eventually(lambda n=name: waiting_reason(kubectl, n) in {"ErrImagePull", "ImagePullBackOff"}, 15)
    assert time.monotonic() - began < 15
    eventually(lambda: waiting_reason(kubectl, "typo") == "ImagePullBackOff", 60)
    events = kubectl("get", "events", "--field-selector=involvedObject.name=typo")
    assert "not found" in events


def test_a_process_that_ends_falls_into_back_off(kubectl: Kubectl, image: str) -> None:
    kubectl.apply(pod("crash", image, ["sh", "-c", "echo cannot open /models/encoder.onnx; exit 3"]))
    eventually(lambda: waiting_reason(kubectl, "crash") == "CrashLoopBackOff", 60)
    last = kubectl.get("pod", "crash")["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["exitCode"] == 3
    assert "cannot open" in kubectl("logs", "crash", "--previous")


def test_too_much_memory_is_killed_with_137(kubectl: Kubectl, image: str) -> None:
    hungry = pod(
        "hungry",
        image,
        ["python3", "-c", "x = bytearray(200 << 20); input()"],
        resources={"limits": {"memory": "48Mi"}},
        pod_spec={"restartPolicy": "Never"},
    )
    kubectl.apply(hungry)

    def killed() -> dict[str, Any]:
        statuses = kubectl.get("pod", "hungry")["status"].get("containerStatuses", [{"state": {}}])
        return dict(statuses[0]["state"].get("terminated", {}))

    end = eventually(killed)
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)


def test_a_failing_probe_keeps_a_pod_out_of_its_service(kubectl: Kubectl, image: str) -> None:
    probe = {"httpGet": {"path": "/nothing", "port": 8000}, "periodSeconds": 1}
    kubectl.apply(
        pod("unready", image, SERVE, readinessProbe=probe),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "unready"},
            "spec": {"selector": {"app": "unready"}, "ports": [{"port": 80, "targetPort": 8000}]},
        },
    )
    eventually(lambda: "Readiness probe failed" in kubectl("get", "events"))
    assert condition(kubectl, "unready", "Ready")["status"] == "False"
    slices = kubectl.get("endpointslices", "-l", "kubernetes.io/service-name=unready")["items"]
    assert not any(e["conditions"]["ready"] for s in slices for e in s["endpoints"] or [])


def test_the_scheduler_says_why_a_pod_is_pending(kubectl: Kubectl, image: str) -> None:
    kubectl.apply(
        pod("big", image, SLEEP, resources={"requests": {"cpu": "500"}}),
        pod("picky", image, SLEEP, pod_spec={"nodeSelector": {"pool": "gpu"}}),
    )
    words = eventually(lambda: condition(kubectl, "big", "PodScheduled").get("message", ""))
    assert "2 Insufficient cpu" in words
    words = eventually(lambda: condition(kubectl, "picky", "PodScheduled").get("message", ""))
    assert "didn't match Pod's node affinity/selector" in words


def test_a_missing_secret_is_a_config_error(kubectl: Kubectl, image: str) -> None:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "token"}}}]
    kubectl.apply(pod("tokenless", image, SLEEP, env=env))
    eventually(lambda: waiting_reason(kubectl, "tokenless") == "CreateContainerConfigError")


def refused(kubectl: Kubectl) -> list[dict[str, Any]]:
    return [e for e in kubectl.get("events")["items"] if e["reason"] == "FailedCreate"]


def test_a_full_quota_stops_a_rollout(kubectl: Kubectl, image: str) -> None:
    kubectl("create", "quota", "tight", "--hard=pods=1")
    kubectl("create", "deployment", "wide", f"--image={image}", "--replicas=3")
    # Until the quota is first counted, the words are "status unknown for quota".
    eventually(lambda: [e for e in refused(kubectl) if "exceeded quota: tight" in e["message"]])


def fetch(kubectl: Kubectl, client: str, url: str, seconds: int = 2) -> bool:
    return kubectl.run("exec", client, "--", "curl", "-sf", "-m", str(seconds), "-o", "/dev/null", url).returncode == 0


def test_network_policies_deny_and_allow(kubectl: Kubectl, image: str) -> None:
    spread = {"nodeSelector": {"kubernetes.io/hostname": "cpu-1"}}
    other = {"nodeSelector": {"kubernetes.io/hostname": "cpu-2"}}
    kubectl.apply(
        pod("server", image, SERVE, pod_spec=spread),
        pod("near", image, SLEEP, pod_spec=spread, labels={"app": "near", "may": "ask"}),
        pod("far", image, SLEEP, pod_spec=other, labels={"app": "far", "may": "ask"}),
        pod("stranger", image, SLEEP, pod_spec=other),
    )
    kubectl("expose", "pod", "server", "--port=80", "--target-port=8000")
    for name in ("server", "near", "far", "stranger"):
        kubectl.wait(f"pod/{name}", "condition=Ready")
    clients = ("near", "far", "stranger")
    for name in clients:
        eventually(lambda n=name: fetch(kubectl, n, "http://server"), 15)
    policy: dict[str, Any] = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
    }
    kubectl.apply(policy)
    for name in clients:
        eventually(lambda n=name: not fetch(kubectl, n, "http://server"), 15)
    policy["spec"]["ingress"] = [{"from": [{"podSelector": {"matchLabels": {"may": "ask"}}}]}]
    kubectl.apply(policy)
    for name in ("near", "far"):
        eventually(lambda n=name: fetch(kubectl, n, "http://server"), 15)
    assert not fetch(kubectl, "stranger", "http://server")


def test_names_resolve_inside_pods(kubectl: Kubectl, image: str) -> None:
    kubectl.apply(pod("asker", image, SLEEP))
    kubectl.wait("pod/asker", "condition=Ready")
    ask = "import socket; print(socket.gethostbyname('kubernetes.default'))"
    assert kubectl("exec", "asker", "--", "python3", "-c", ask).strip().endswith(".0.1")
    unknown = ("exec", "asker", "--", "python3", "-c", ask.replace("kubernetes.default", "no.such.name"))
    eventually(lambda: "Name or service not known" in kubectl.run(*unknown).stderr)


def test_exec_logs_and_port_forward(kubectl: Kubectl, image: str) -> None:
    kubectl.apply(pod("web", image, SERVE, readinessProbe={"tcpSocket": {"port": 8000}, "periodSeconds": 1}))
    kubectl.wait("pod/web", "condition=Ready")
    assert kubectl("exec", "-i", "web", "--", "cat", stdin="to and fro").strip() == "to and fro"
    follow = subprocess.Popen(kubectl.argv("logs", "-f", "web"), stdout=subprocess.PIPE, text=True)
    forward = subprocess.Popen(kubectl.argv("port-forward", "pod/web", ":8000"), stdout=subprocess.PIPE, text=True)
    try:
        assert forward.stdout is not None
        said = re.fullmatch(r"Forwarding from 127\.0\.0\.1:([0-9]+) -> 8000\n", forward.stdout.readline())
        assert said
        with urllib.request.urlopen(f"http://127.0.0.1:{said[1]}/etc/hostname", timeout=10) as answer:
            assert answer.read().decode().strip() == "web"
        assert follow.stdout is not None
        line = eventually(follow.stdout.readline)
        while "GET /etc/hostname" not in line:
            line = follow.stdout.readline()
    finally:
        for process in (follow, forward):
            process.kill()
            process.communicate()


def test_top_knows_nodes_and_pods(kubectl: Kubectl, image: str) -> None:
    kubectl.apply(pod("busy", image, ["python3", "-c", "while True: pass"], resources={"limits": {"cpu": "100m"}}))
    eventually(lambda: {"cpu-1", "cpu-2"} <= set(kubectl.run("top", "nodes").stdout.split()), 60)
    eventually(lambda: "busy" in kubectl.run("top", "pods").stdout, 60)


def test_a_drain_moves_pods_and_respects_budgets(kubectl: Kubectl, image: str) -> None:
    kubectl("create", "deployment", "app", f"--image={image}", "--replicas=2")
    kubectl.wait("deployment/app", "condition=Available")
    kubectl("create", "poddisruptionbudget", "app", "--selector=app=app", "--min-available=2")
    eventually(lambda: kubectl.get("pdb", "app")["status"].get("currentHealthy") == 2)
    where = {p["spec"]["nodeName"] for p in kubectl.get("pods")["items"]}
    node = min(where)
    drain = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app=app"]
    try:
        refused = kubectl.run(*drain, "--timeout=3s")
        assert "would violate the pod's disruption budget" in refused.stderr
        kubectl("delete", "pdb", "app")
        kubectl(*drain, "--timeout=60s", seconds=70)
        nodes = {
            p["spec"]["nodeName"] for p in kubectl.get("pods")["items"] if "deletionTimestamp" not in p["metadata"]
        }
        assert node not in nodes
    finally:
        kubectl("uncordon", node)


def test_a_private_image_needs_its_secret(kubectl: Kubectl) -> None:
    private = next(i.reference for i in lab_images.ensure() if i.private)
    kubectl(
        "create",
        "secret",
        "docker-registry",
        "pull",
        f"--docker-server={private.partition('/')[0]}",
        "--docker-username=lab",
        "--docker-password=lab-secret",
    )
    kubectl.apply(
        pod("without", private, SLEEP),
        pod("with", private, SLEEP, pod_spec={"imagePullSecrets": [{"name": "pull"}]}),
    )
    eventually(lambda: waiting_reason(kubectl, "without") in {"ErrImagePull", "ImagePullBackOff"})
    eventually(lambda: re.search("401 Unauthorized|authorization failed", kubectl("get", "events")))
    kubectl.wait("pod/with", "condition=Ready", 90)


def test_a_claim_is_bound_and_can_be_written(kubectl: Kubectl, image: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    volumes = {"volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}]}
    mount = [{"name": "models", "mountPath": "/models"}]
    write = ["sh", "-c", "echo weights > /models/w && sleep 3600"]
    kubectl.apply(claim, pod("writer", image, write, volumeMounts=mount, pod_spec=volumes))
    kubectl.wait("pod/writer", "condition=Ready")
    assert kubectl.get("pvc", "models")["status"]["phase"] == "Bound"
    assert kubectl("exec", "writer", "--", "cat", "/models/w").strip() == "weights"


SPIN = """
import time
end = time.monotonic() + 4
while time.monotonic() < end:
    pass
print(time.process_time())
"""


def test_limits_on_processor_time_hold(kubectl: Kubectl, image: str) -> None:
    limits = {"limits": {"cpu": "100m"}}
    kubectl.apply(pod("limited", image, ["python3", "-c", SPIN], resources=limits, pod_spec={"restartPolicy": "Never"}))
    eventually(lambda: kubectl.get("pod", "limited")["status"]["phase"] == "Succeeded")
    assert float(kubectl("logs", "limited")) < 0.8
