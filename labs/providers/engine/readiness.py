"""Waits until a cluster serves, and says what it waits for. Called by `bringup.py`.

Every wait polls with a deadline; when it passes, the error carries the last thing seen and where to look.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from grader.outage import GPU
from labs.errors import ClusterError, EngineError
from labs.events import Listener, State, Step
from labs.providers.engine.api import ApiClient
from labs.providers.engine.layout import Layout
from labs.providers.engine.state import components, supervisor_pid

POLL_SECONDS = 0.03
TOO_MANY_RESTARTS = 6
CLONE_NEWNET = 0x40000000
DNS_SECONDS = 0.3
DNS_ID = 0x1AB5


@contextmanager
def step(emit: Listener, key: str, title: str, detail: str = "") -> Iterator[None]:
    """Report that something begins, and how it ended."""
    began = time.monotonic()
    emit(Step(key, title, State.RUNNING, detail))
    try:
        yield
    except BaseException:
        emit(Step(key, title, State.FAILED, detail, time.monotonic() - began))
        raise
    emit(Step(key, title, State.DONE, detail, time.monotonic() - began))


def wait_until(layout: Layout, what: str, seconds: float, look: Callable[[], str]) -> None:
    """Wait until `look` returns nothing; what it returns else is what is still missing.

    Args:
        layout: The cluster, whose supervisor must live meanwhile.
        what: What is waited for, as a person would say it.
        seconds: The deadline.
        look: Returns what is missing, or nothing.

    Raises:
        EngineError: It took too long, a component dies again and again, or the supervisor is gone.
    """
    deadline = time.monotonic() + seconds
    next_check = 0.0
    missing = ""
    while True:
        try:
            missing = look()
        except ClusterError as error:
            missing = error.message
        if not missing:
            return
        if time.monotonic() > next_check:
            next_check = time.monotonic() + 0.5
            _check_components(layout)
        if time.monotonic() > deadline:
            raise EngineError(
                f"waited {seconds:.0f} s for {what}: {missing}",
                hint=f"`labs status` shows the components; their logs are in {layout.logs}",
            )
        time.sleep(POLL_SECONDS)


def _check_components(layout: Layout) -> None:
    if supervisor_pid(layout) is None:
        raise EngineError("the cluster's supervisor ended", hint=f"see {layout.logs / 'supervisor.log'}")
    for name, component in components(layout).items():
        if component["restarts"] >= TOO_MANY_RESTARTS and not component["ready"]:
            log = layout.logs / f"{name.replace('/', '-')}.log"
            raise EngineError(f"{name} does not stay up: {component['detail']}", hint=f"its log is {log}")


def unready_components(layout: Layout) -> str:
    """Return which components do not serve yet; nothing when all do."""
    known = components(layout)
    if not known:
        return "the supervisor has not started anything yet"
    waiting = [name for name, c in known.items() if c["enabled"] and not c["ready"]]
    return f"{', '.join(waiting)} not ready" if waiting else ""


def unready_nodes(client: ApiClient, names: list[str], since: float) -> str:
    """Return which nodes are not Ready; a state from before this start does not count.

    Args:
        client: The API server.
        names: The nodes there must be.
        since: Time of this start, as `time.time()`; a node counts once its kubelet renewed its lease after that.
    """
    leases = client.items("apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
    alive = {lease["metadata"]["name"] for lease in leases if _time(lease["spec"].get("renewTime")) > since}
    ready = set()
    for node in client.items("api/v1/nodes"):
        for condition in node["status"].get("conditions", []):
            if condition["type"] == "Ready" and condition["status"] == "True":
                ready.add(node["metadata"]["name"])
    waiting = [name for name in names if name not in alive & ready]
    return f"node {', '.join(waiting)} not Ready" if waiting else ""


def unoffered_gpus(client: ApiClient, wanted: Mapping[str, int]) -> str:
    """Return which nodes do not offer the GPUs they were given; a broken one counts, as it is there.

    Args:
        client: The API server.
        wanted: Node → how many GPUs it has.
    """
    nodes = {node["metadata"]["name"]: node["status"] for node in client.items("api/v1/nodes")}
    has = {name: int(status.get("capacity", {}).get(GPU, 0)) for name, status in nodes.items()}
    waiting = [name for name, count in wanted.items() if has.get(name, 0) < count]
    return f"the GPUs of node {', '.join(waiting)} not offered" if waiting else ""


def unready_pods(client: ApiClient, namespaces: list[str]) -> str:
    """Return which pods of these namespaces are not Ready, nothing when all are and there is at least one."""
    waiting = []
    for namespace in namespaces:
        pods = client.items(f"api/v1/namespaces/{namespace}/pods")
        if not pods:
            return f"no pods in {namespace} yet"
        waiting += [pod_words(pod) for pod in pods if not is_ready(pod)]
    return "; ".join(waiting)


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether a pod's condition Ready is true."""
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def pod_words(pod: dict[str, Any]) -> str:
    """Return a pod's name and why it is not ready, in the cluster's own words."""
    name, status = pod["metadata"]["name"], pod["status"]
    for container in status.get("containerStatuses", []):
        waiting = container["state"].get("waiting")
        if waiting:
            return f"{name}: {waiting['reason']} {waiting.get('message', '')[:160]}".strip()
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{name}: {condition.get('message', condition.get('reason', ''))[:160]}"
    return f"{name}: {status.get('phase', 'Pending')}, not Ready"


def _time(text: str | None) -> float:
    return dt.datetime.fromisoformat(text).timestamp() if text else 0.0


def unserved_dns(layout: Layout, nodes: list[str], server: str, expected: str) -> str:
    """Return which nodes get no answer from the cluster's DNS through its Service; nothing when all do.

    Args:
        layout: The cluster.
        nodes: Nodes to ask from.
        server: Address of the Service.
        expected: Address that `kubernetes.default.svc.cluster.local` must have.
    """
    wanted = socket.inet_aton(expected)
    for node in nodes:
        try:
            with _socket_in(layout, node) as client:
                client.settimeout(DNS_SECONDS)
                client.connect((server, 53))
                client.send(_question("kubernetes.default.svc.cluster.local"))
                answer = client.recv(512)
        except OSError as error:
            return f"DNS does not answer on {node}: {error}"
        if struct.unpack(">H", answer[:2])[0] != DNS_ID or not answer.endswith(wanted):
            return f"DNS on {node} does not know the API server yet"
    return ""


def _question(name: str) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", DNS_ID, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def _socket_in(layout: Layout, node: str) -> socket.socket:
    """Return a UDP socket that lives in a node's network namespace; only a short-lived thread ever enters it."""
    made: list[socket.socket] = []
    failed: list[int] = []
    handle = os.open(layout.namespace(node, "net"), os.O_RDONLY)

    def enter() -> None:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) == 0:
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        else:
            failed.append(ctypes.get_errno())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    os.close(handle)
    if not made:
        raise OSError(*failed, f"cannot enter the network of {node}")
    return made[0]
