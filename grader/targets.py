"""Where a request of a check goes: the Service's address, and what stands behind it for the evidence.

Used by the checks that send requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.errors import Unanswered
from grader.finding import Scene
from grader.model import Json, Objects, Target
from grader.snapshot import Question
from grader.text import absence

NOWHERE = "the Service, or its port of that name, does not exist"


def reads(target: Target, namespaces: Sequence[str]) -> list[Question]:
    """Return the Services (for named ports) and EndpointSlices (for the evidence) of the Service's namespace."""
    return [] if target.url else list(_lists(_namespace(target, namespaces)))


def url(target: Target, scene: Scene) -> str | None:
    """Return the address, or None when the port's name leads nowhere."""
    if target.url:
        return target.url
    port: int | None = target.port if isinstance(target.port, int) else None
    if port is None:
        service = _service(target, scene) or {}
        ports = (service.get("spec") or {}).get("ports") or []
        port = next((p.get("port") for p in ports if p.get("name") == target.port), None)
    path = target.path if target.path.startswith("/") else f"/{target.path}"
    host = f"{target.service}.{_namespace(target, scene.namespaces)}.svc"
    return f"http://{host}:{port}{path}" if port else None


def place(target: Target, scene: Scene) -> str:
    """Return the words for an address that leads nowhere."""
    return target.url or f"{target.service}.{_namespace(target, scene.namespaces)}.svc:{target.port}"


def endpoints(target: Target, scene: Scene) -> str:
    """Return what stands behind the Service now, read after the requests: the first question of whoever debugs it."""
    name, namespace = target.service, _namespace(target, scene.namespaces)
    services, slices = _lists(namespace)
    try:
        if _service(target, scene) is None:
            return absence("Service", name, namespace, scene.snapshot.objects(services))
        mine = [
            endpoint
            for obj in scene.snapshot.again(slices)
            if (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
            for endpoint in obj.get("endpoints") or []
        ]
    except Unanswered:
        return "its endpoints could not be read"
    ready = sum((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in mine)
    return f"Service {name} has {ready} ready of {len(mine)} endpoints" if mine else f"Service {name} has no endpoints"


def _namespace(target: Target, namespaces: Sequence[str]) -> str:
    return target.namespace or (namespaces[0] if namespaces else "default")


def _lists(namespace: str) -> tuple[Objects, Objects]:
    return Objects(kind="Service", namespace=namespace), Objects(kind="EndpointSlice", namespace=namespace)


def _service(target: Target, scene: Scene) -> Json | None:
    services = scene.snapshot.objects(_lists(_namespace(target, scene.namespaces))[0])
    return next((s for s in services if s["metadata"].get("name") == target.service), None)
