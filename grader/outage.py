"""Kills a node for a `triggered` check and brings it back, and what else happens to machines rather than to objects.

Used by `grader.live`. The power switch is `grader.cluster.Machines`, whoever has it; here is what can be seen of it
through the API server: that the loss was noticed, and that everything is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from grader.cluster import Acted, Machines
from grader.errors import GraderError, Refused, Unanswered
from grader.model import Json, Objects
from grader.pods import is_ready
from grader.text import named

NOTICED_WITHIN = 90.0
"""Seconds in which a cluster must notice that a node is gone: Kubernetes' own patience is 40 to 50 s."""

BACK_WITHIN = 120.0
"""Seconds in which a node must be Ready again after it was switched on."""

PODS_WITHIN = 60.0
"""Seconds that pods on it are waited for after that; what does not come back by itself is none of the outage."""

COUNTED_WITHIN = 30.0
"""Seconds in which a cluster must count a node's GPUs anew: kubelets report every 4 to 10 s."""

GPU = "nvidia.com/gpu"

EVERY = 0.5

_OWN = frozenset({"kube-system", "lab-system"})
_LOST = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})

Read = Callable[[Objects], list[Json]]


def node_of(of: Objects, objects: list[Json], kind: str, last: str = "") -> str:
    """Return the node an act is about: the first of Nodes, or one that a Pod is on.

    Args:
        of: What the scenario names.
        objects: The same, read.
        kind: The act, for words.
        last: A node that is taken only where there is no other.

    Raises:
        Refused: There is none.
    """
    place = f" in {of.namespace}" if of.namespace and of.kind != "Node" else ""
    if not objects:
        words = f"there is no {of.kind} {of.name or of.selector}{place} to {kind.replace('_', ' ')} for"
        raise Refused(" ".join(words.split()))
    if of.kind == "Node":
        names = [obj["metadata"]["name"] for obj in objects]
    else:
        staying = [obj for obj in objects if not obj["metadata"].get("deletionTimestamp")]
        names = [name for obj in staying if (name := (obj.get("spec") or {}).get("nodeName"))]
    if not names:
        raise Refused(f"{of.kind} {named(objects)}{place} is on no node")
    return str(next((name for name in names if name != last), names[0]))


def kill(
    machines: Machines | None,
    node: str,
    read: Read,
    avoid: Callable[..., None] = lambda *_nodes: None,
    remove: Callable[[Json], None] = lambda _pod: None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Acted:
    """Switch a node off and wait until the cluster has noticed: until then nothing has happened to anybody.

    Args:
        machines: Whoever has the switch.
        node: Which node.
        read: Reads objects.
        avoid: Told of the node while it is off, and of none afterwards.
        remove: Deletes a pod at once. The lab's own pods that can run elsewhere, its name server above all, are not
            part of the lesson: they are moved, where a cluster would wait for five minutes first.
        sleep: Lets time pass.
        clock: Monotonic seconds.

    Returns:
        What was done; its `undo` switches the node on again and waits until it and the pods on it are back.

    Raises:
        Unanswered: It cannot be done here, or the cluster did not notice; the node runs again then.
    """
    if machines is None:
        hint = "grade on a cluster of the lab's own engine: labs up --provider engine"
        raise Unanswered(f"Node {node} cannot be switched off from here", hint=hint)
    if not [name for name in _ready(read) if name != node]:
        hint = "a profile with more nodes has room: labs up --profile three-cpu"
        raise Unanswered(f"Node {node} is the only one that is Ready, so it is not switched off", hint=hint)
    lost = _Outage(machines, node, read, avoid, remove, sleep, clock, _pods_on(node, read))
    try:
        missing = lost.begin()
    except BaseException:
        with suppress(GraderError):  # the reason for all this is the one to tell
            machines.start(node)
        avoid()
        raise
    if missing:
        lost.end()
        raise Unanswered(f"Node {node} was switched off and {missing} in time", hint="labs status")
    return Acted(f"killing Node {node}", lost.end)


@dataclass(frozen=True, slots=True)
class _Outage:
    """A node that is off, from begin to end; the fields are those of `kill`, and the pods on it that were Ready."""

    machines: Machines
    node: str
    read: Read
    avoid: Callable[..., None]
    remove: Callable[[Json], None]
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    were_ready: set[str]

    def begin(self) -> str:
        """Switch it off; return what has not followed in time, or nothing."""
        node, read = self.node, self.read
        self.avoid(node)
        self.machines.kill(node)
        if not self._waited(NOTICED_WITHIN, lambda: node not in _ready(read)):
            return "the cluster has not noticed it"
        self._waited(PODS_WITHIN, lambda: not _pods_on(node, read))
        own = [pod for pod in _on(node, read) if _is_own(pod)]
        for pod in own:
            self.remove(pod)
        moved = self._waited(PODS_WITHIN, lambda: {_owner(pod) for pod in own} <= _owners_ready(node, read))
        return "" if moved else "the cluster's own pods were not made anew on another node"

    def end(self) -> None:
        """Switch it on again, and wait until it and the pods on it are back."""
        node, read = self.node, self.read
        try:
            self.machines.start(node)
        finally:
            self.avoid()
        if not self._waited(BACK_WITHIN, lambda: node in _open(read)):
            hint = "`labs status` tells why, `labs up` repairs the cluster"
            raise Unanswered(f"Node {node} was switched on and is not Ready after {BACK_WITHIN:.0f} s", hint=hint)
        self._waited(PODS_WITHIN, lambda: (_there(node, read) & self.were_ready) <= _pods_on(node, read))

    def _waited(self, seconds: float, done: Callable[[], bool]) -> bool:
        return _waited(seconds, done, self.sleep, self.clock)


def _waited(
    seconds: float, done: Callable[[], bool], sleep: Callable[[float], None], clock: Callable[[], float]
) -> bool:
    """Return whether something was done before so many seconds had passed."""
    deadline = clock() + seconds
    while not done():
        if clock() >= deadline:
            return False
        sleep(EVERY)
    return True


def lose_gpu(
    machines: Machines | None,
    node: str,
    read: Read,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Acted:
    """Break a GPU of a node and wait until the cluster has one less to give; pods that have it keep it, as in earnest.

    Args:
        machines: Whoever has the GPUs.
        node: Which node.
        read: Reads objects.
        sleep: Lets time pass.
        clock: Monotonic seconds.

    Returns:
        What was done; its `undo` mends the GPU and waits until the cluster has it again.

    Raises:
        Unanswered: There is none that could be lost here, or the cluster did not notice; it is whole again then.
    """
    before = _gpus(node, read)
    if machines is None or not before:
        hint = "labs up --profile two-cpu-one-gpu has a node with simulated GPUs"
        raise Unanswered(f"Node {node} has no simulated GPU that could be lost", hint=hint)

    def waited(done: Callable[[int], bool]) -> bool:
        return _waited(COUNTED_WITHIN, lambda: done(_gpus(node, read)), sleep, clock)

    def undo() -> None:
        machines.return_gpu(node)
        if not waited(lambda count: count >= before):
            raise Unanswered(
                f"Node {node} does not have its GPU again", hint="`labs status` tells why, `labs up` repairs"
            )

    try:
        machines.lose_gpu(node)
        noticed = waited(lambda count: count < before)
    except BaseException:
        with suppress(GraderError):  # the reason for all this is the one to tell
            machines.return_gpu(node)
        raise
    if not noticed:
        undo()
        raise Unanswered(f"Node {node} lost a GPU and the cluster has not noticed it in time", hint="labs status")
    return Acted(f"losing a GPU of Node {node}", undo)


def _gpus(node: str, read: Read) -> int:
    """Return how many GPUs a node has to give."""
    found = [obj for obj in read(Objects(kind="Node")) if obj["metadata"]["name"] == node]
    return sum(int((obj.get("status") or {}).get("allocatable", {}).get(GPU, 0)) for obj in found)


def _ready(read: Read) -> set[str]:
    return {node["metadata"]["name"] for node in read(Objects(kind="Node")) if is_ready(node)}


def _open(read: Read) -> set[str]:
    """Return the nodes that are Ready and take pods again: the taints of the loss go a moment later."""
    found = read(Objects(kind="Node"))
    tainted = {n["metadata"]["name"] for n in found for t in n.get("spec", {}).get("taints") or [] if t["key"] in _LOST}
    return {node["metadata"]["name"] for node in found if is_ready(node)} - tainted


def _on(node: str, read: Read) -> list[Json]:
    return [pod for pod in read(Objects(kind="Pod")) if (pod.get("spec") or {}).get("nodeName") == node]


def _is_own(pod: Json) -> bool:
    return pod["metadata"].get("namespace") in _OWN and bool(_owner(pod))


def _owner(pod: Json) -> str:
    """Return the uid of the ReplicaSet that makes a pod anew, on any node; empty where none does."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner.get("uid")) for owner in owners if owner.get("kind") == "ReplicaSet"), "")


def _owners_ready(lost: str, read: Read) -> set[str]:
    pods = read(Objects(kind="Pod"))
    return {_owner(pod) for pod in pods if is_ready(pod) and (pod.get("spec") or {}).get("nodeName") != lost}


def _there(node: str, read: Read) -> set[str]:
    """Return the uids of pods that are to stay on a node."""
    return {_uid(pod) for pod in _on(node, read) if not pod["metadata"].get("deletionTimestamp")}


def _pods_on(node: str, read: Read) -> set[str]:
    """Return the uids of pods on a node that are Ready."""
    return {_uid(pod) for pod in _on(node, read) if is_ready(pod)}


def _uid(pod: Json) -> str:
    meta = pod["metadata"]
    return str(meta.get("uid") or f"{meta.get('namespace', '')}/{meta['name']}")
