"""Takes a task out of the cluster: its namespaces with all that is in them, and its cluster-scoped objects.

Called by `labs.attempts.seeding` for stop, and for what a killed start left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from grader.model import Json
from labs.errors import ClusterError
from labs.inject.api import Api, Refusal, Resource
from labs.inject.held import free
from labs.inject.manifests import WORKLOADS

GONE_WITHIN = 60.0
_PUSH_EVERY = 2.0
_GROUPS = frozenset({"", "apps", "batch"})
# Answers of another server, nothing that could be left; and the core's events under another name.
_NOT_STORED = frozenset({"metrics.k8s.io", "events.k8s.io"})


@dataclass(slots=True)
class _Leaving:
    """A namespace on its way out.

    Attributes:
        name: Its name.
        holding: The kinds that were still in it at the last look; the next look is at these alone. Empty: at all.
        last: The Namespace as last seen.
        held: What was still in it.
    """

    name: str
    holding: list[Resource] = field(default_factory=list)
    last: Json = field(default_factory=dict)
    held: list[Json] = field(default_factory=list)

    @property
    def itself(self) -> Json:
        """The Namespace, as far as it needs to be named."""
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}


def remove_namespaces(api: Api, names: Sequence[str], *, seconds: float = GONE_WITHIN) -> None:
    """Delete namespaces and wait until they are gone; pods are deleted first, without their grace period.

    The namespace controller looks at a deleted namespace after five seconds at the earliest (a constant of it, so that
    all API servers of a cluster have heard of the deletion). What it does then is done here at once: everything in it
    is deleted, and when nothing is left, the namespace is released. An object that does not go is left to the
    controller, which tells the reason.

    Raises:
        ClusterError: One is still there after `seconds`; the message is the cluster's own reason.
    """
    left = [_Leaving(name) for name in names]
    pod = api.resource("v1", "Pod")
    # Controllers first, or they make new pods, for whose grace period the namespace then waits.
    makers = [r for r in api.resources() if r.namespaced and r.kind in WORKLOADS - {"Pod"} and r.group in _GROUPS]
    api.together(lambda item: api.delete_all(*item), [(r, n) for r in makers for n in names])
    api.together(lambda n: api.delete_all(pod, n), names)
    api.together(lambda space: api.delete(space.itself), left)

    def gone() -> bool:
        api.together(lambda space: _release(api, space), left)
        states = api.together(lambda space: api.get(space.itself), left)
        for space, state in zip(list(left), states, strict=True):
            if state is None:
                left.remove(space)
            else:
                space.last = state
        return not left

    waited = 0.0
    while left and not api.wait(gone, seconds=_PUSH_EVERY):
        waited += _PUSH_EVERY
        if waited >= seconds:
            raise ClusterError(
                f"not gone within {seconds:.0f} s: {_reason(left[0].last)}",
                where=f"Namespace {left[0].name}",
                hint="mend what holds it, then run the command again",
            )
        api.together(lambda space: api.delete_all(pod, space.name), left)
        free(api, [obj for space in left for obj in space.held])


def _release(api: Api, space: _Leaving) -> None:
    """Delete what is in a namespace on its way out; once nothing is, take off the finalizer that holds it."""
    every = [r for r in api.resources() if r.namespaced and r.listable and r.group not in _NOT_STORED]
    try:
        found = _emptied(api, space, space.holding or every)
        if not found and space.holding:
            found = _emptied(api, space, every)
        namespace = None if found else api.get(space.itself)
        if namespace and namespace["metadata"].get("deletionTimestamp"):
            body = {**namespace, "spec": {"finalizers": []}}
            api.request("PUT", f"{api.path(namespace)}/finalize", body, where=f"Namespace {space.name}")
    except Refusal:
        return  # a kind that cannot be listed or deleted, or the controller was faster: the rest is its work


def _emptied(api: Api, space: _Leaving, kinds: Sequence[Resource]) -> bool:
    """Delete all objects of these kinds; return whether there were any."""
    lists = api.together(lambda r: api.items(r, space.name), kinds)
    found = [(kind, objects) for kind, objects in zip(kinds, lists, strict=True) if objects]
    space.holding = [kind for kind, _ in found]
    space.held = [obj for _, objects in found for obj in objects]
    api.together(lambda item: _delete_kind(api, space.name, *item), found)
    return bool(found)


def _delete_kind(api: Api, namespace: str, kind: Resource, objects: Sequence[Json]) -> None:
    staying = [obj for obj in objects if not obj["metadata"].get("deletionTimestamp")]
    if staying and kind.collective:  # a busy namespace has hundreds of events
        api.delete_all(kind, namespace)
    else:
        api.together(api.delete, staying)


def remove_objects(api: Api, objects: Sequence[Json]) -> None:
    """Delete cluster-scoped objects of a task."""
    api.together(api.delete, objects)


def _reason(namespace: Json) -> str:
    conditions = (namespace.get("status") or {}).get("conditions") or []
    said = [c.get("message", "") for c in conditions if c.get("status") == "True"]
    return "; ".join(said) or "the namespace controller has not said why"
