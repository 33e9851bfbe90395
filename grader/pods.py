"""Which pods and containers a check means. Used by the checks that look into containers."""

from __future__ import annotations

from collections.abc import Sequence

from grader.finding import Scene
from grader.model import Json, Objects
from grader.text import absence


def there(of: Objects, scene: Scene) -> list[Json]:
    """Return the pods that are meant and not on their way out, by name."""
    pods = [pod for pod in scene.snapshot.objects(of) if not pod["metadata"].get("deletionTimestamp")]
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("name", "")))


def missing(of: Objects, scene: Scene) -> str:
    """Return the sentence for pods that are not there."""
    if of.name:
        return absence(of.kind, of.name, of.namespace, scene.snapshot.objects(of.model_copy(update={"name": ""})))
    asked = f" with {of.selector}" if of.selector else ""
    return f"no {of.kind}{asked}{f' in {of.namespace}' if of.namespace else ''}"


def container_of(pod: Json, wanted: str) -> str | None:
    """Return the container of that name, the first one for no name, or None when there is none."""
    names = containers(pod)
    if not wanted:
        return names[0] if names else None
    return wanted if wanted in names else None


def containers(pod: Json) -> list[str]:
    """Return the names of a pod's containers, init containers last."""
    spec = pod.get("spec") or {}
    kinds: Sequence[str] = ("containers", "initContainers")
    return [str(c.get("name", "")) for kind in kinds for c in spec.get(kind) or []]


def runs(pod: Json, container: str) -> bool:
    """Return whether a container of the pod runs now."""
    status = pod.get("status") or {}
    said = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    return any(s.get("name") == container and "running" in (s.get("state") or {}) for s in said)


def has_ended(pod: Json) -> bool:
    """Return whether a pod has ended for good (refused by a node, evicted, done): it stays listed and serves nobody."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def is_ready(obj: Json) -> bool:
    """Return whether a Pod or a Node says that it is Ready."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def state(pod: Json) -> str:
    """Return a pod's state in a few words: its phase, or what a container waits for."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        held = container.get("state") or {}
        reason = (held.get("waiting") or held.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("phase") or "unknown")
