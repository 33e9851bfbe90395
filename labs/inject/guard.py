"""The baseline guard: nothing is injected into a cluster, or a namespace, that does not carry our mark.

Called by `labs.attempts.seeding` before every step that writes. It reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.model import Json
from labs.errors import ClusterError, NotOursError
from labs.inject.api import Api
from labs.inject.manifests import scenario_of
from labs.providers.base import OWNER_CONFIGMAP, OWNER_NAMESPACE, ClusterHandle

READY_WITHIN = 20.0


def own_cluster(api: Api, handle: ClusterHandle) -> None:
    """Make sure that the cluster behind the kubeconfig is the one the handle was made for.

    Raises:
        NotOursError: It carries no mark, or another one.
        ClusterError: It does not answer.
    """
    where = f"ConfigMap {OWNER_NAMESPACE}/{OWNER_CONFIGMAP}"
    mark = api.get(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": OWNER_NAMESPACE, "name": OWNER_CONFIGMAP}}
    )
    hint = "nothing was changed; `labs up` makes a cluster of our own"
    if mark is None:
        raise NotOursError("this cluster does not carry the lab's mark", where=where, hint=hint)
    if (mark.get("data") or {}).get("id") != handle.id:
        raise NotOursError(f"this cluster is not `{handle.name}` as we know it: another id", where=where, hint=hint)


def namespaces(api: Api, names: Sequence[str], scenario_id: str) -> dict[str, Json | None]:
    """Return the task's namespaces as they are now, None for those that are not there.

    Raises:
        NotOursError: One of them exists without the scenario's label; all such are named.
    """
    found = dict(
        zip(
            names,
            api.together(lambda n: api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}), names),
            strict=True,
        )
    )
    foreign = [n for n, obj in found.items() if obj is not None and scenario_of(obj) != scenario_id]
    if foreign:
        said = ", ".join(f"`{n}`" for n in foreign)
        raise NotOursError(
            f"namespace {said} exists and is not this task's",
            where=f"Namespace {foreign[0]}",
            hint=f"nothing was changed; if you do not need it: kubectl delete namespace {foreign[0]}",
        )
    return found


def nodes(api: Api, *, least: int = 1, scenario_nodes_may_fail: bool = False) -> None:
    """Make sure that enough nodes are Ready, and wait a little for them.

    Args:
        api: The cluster.
        least: Ready nodes needed.
        scenario_nodes_may_fail: Do not ask that *all* nodes are Ready (another task may have stopped one).

    Raises:
        ClusterError: Too few are Ready within 20 s.
    """
    resource = api.resource("v1", "Node")
    states: dict[str, str] = {}

    def enough() -> bool:
        states.clear()
        states.update({node["metadata"]["name"]: _ready(node) for node in api.items(resource)})
        good = sum(state == "True" for state in states.values())
        return good >= least and (scenario_nodes_may_fail or good == len(states))

    if api.wait(enough, seconds=READY_WITHIN, every=0.5):
        return
    bad = ", ".join(f"{name} ({state})" for name, state in states.items() if state != "True") or "there are too few"
    raise ClusterError(
        f"the task needs {least} ready node{'s' * (least != 1)}; not ready: {bad}",
        hint="`labs status` tells why, `labs up` repairs the cluster",
    )


def _ready(node: Json) -> str:
    for condition in (node.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return "True" if condition["status"] == "True" else str(condition.get("reason") or "NotReady")
    return "no status yet"
