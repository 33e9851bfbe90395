"""Takes a task out of the cluster: its namespaces with all that is in them, and its cluster-scoped objects.

Called by `labs.attempts.seeding` for stop, and for what a killed start left.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.model import Json
from labs.errors import ClusterError
from labs.inject.api import Api, Refusal
from labs.inject.held import free
from labs.inject.manifests import WORKLOADS

GONE_WITHIN = 60.0
_PUSH_EVERY = 2.0
_GROUPS = frozenset({"", "apps", "batch"})
_NOT_STORED = frozenset({"metrics.k8s.io"})  # answers of another server, nothing that could be left


def remove_namespaces(api: Api, names: Sequence[str], *, seconds: float = GONE_WITHIN) -> None:
    """Delete namespaces and wait until they are gone; pods are deleted first, without their grace period.

    The namespace controller looks at a deleted namespace after five seconds at the earliest (a constant of it, so that
    all API servers of a cluster have heard of the deletion). What it does then is done here at once: everything in it
    is deleted, and when nothing is left, the namespace is released. An object that does not go is left to the
    controller, which tells the reason.

    Raises:
        ClusterError: One is still there after `seconds`; the message is the cluster's own reason.
    """
    left = {n: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in names}
    pod = api.resource("v1", "Pod")
    # Controllers first, or they make new pods, for whose grace period the namespace then waits.
    makers = [r for r in api.resources() if r.namespaced and r.kind in WORKLOADS - {"Pod"} and r.group in _GROUPS]
    api.together(lambda item: api.delete_all(*item), [(r, n) for r in makers for n in left])
    api.together(lambda n: api.delete_all(pod, n), left)
    api.together(api.delete, left.values())
    last: dict[str, Json] = {}
    held: list[Json] = []

    def gone() -> bool:
        held[:] = [obj for found in api.together(lambda n: _release(api, n), left) for obj in found]
        states = api.together(api.get, left.values())
        last.clear()
        for name, state in zip(list(left), states, strict=True):
            if state is None:
                del left[name]
            else:
                last[name] = state
        return not left

    waited = 0.0
    while left and not api.wait(gone, seconds=_PUSH_EVERY):
        waited += _PUSH_EVERY
        if waited >= seconds:
            name, state = next(iter(last.items()))
            raise ClusterError(
                f"not gone within {seconds:.0f} s: {_reason(state)}",
                where=f"Namespace {name}",
                hint="mend what holds it, then run the command again",
            )
        api.together(lambda n: api.delete_all(pod, n), left)
        free(api, held)


def _release(api: Api, name: str) -> list[Json]:
    """Delete what is in a namespace on its way out; once nothing is, take off the finalizer that holds it.

    Returns:
        What was still in it.
    """
    kinds = [r for r in api.resources() if r.namespaced and r.listable and r.group not in _NOT_STORED]
    try:
        held = [o for found in api.together(lambda r: api.items(r, name), kinds) for o in found]
        api.together(api.delete, [o for o in held if not o["metadata"].get("deletionTimestamp")])
        namespace = None if held else api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if namespace and namespace["metadata"].get("deletionTimestamp"):
            body = {**namespace, "spec": {"finalizers": []}}
            api.request("PUT", f"{api.path(namespace)}/finalize", body, where=f"Namespace {name}")
    except Refusal:
        return []  # a kind that cannot be listed or deleted, or the controller was faster: the rest is its work
    return held


def remove_objects(api: Api, objects: Sequence[Json]) -> None:
    """Delete cluster-scoped objects of a task."""
    api.together(api.delete, objects)


def _reason(namespace: Json) -> str:
    conditions = (namespace.get("status") or {}).get("conditions") or []
    said = [c.get("message", "") for c in conditions if c.get("status") == "True"]
    return "; ".join(said) or "the namespace controller has not said why"
