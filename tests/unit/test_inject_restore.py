"""A reset that replaces what others hold, against an API server that keeps a claim for as long as a pod mounts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from grader.model import Json
from labs.errors import ClusterError
from labs.inject.api import Refusal, Resource, label
from labs.inject.restore import restore
from labs.inject.snapshot import build, key_text


def claim(uid: str, storage_class: str, **spec: Any) -> Json:
    meta = {"name": "scores", "namespace": "night", "uid": uid, "finalizers": ["kubernetes.io/pvc-protection"]}
    spec |= {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def pod(name: str, claim_name: str) -> Json:
    meta = {"name": name, "namespace": "night", "uid": name, "ownerReferences": [{"uid": "rs", "controller": True}]}
    volumes = [{"name": "config", "configMap": {"name": "x"}}]
    volumes += [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"volumes": volumes, "containers": []}}


class Server:
    """What `restore` asks of the API, of a server that refuses to change a class and protects claims in use."""

    def __init__(self, *objects: Json) -> None:
        self.objects = {key_text(o): o for o in objects}
        self.condemned: set[str] = set()

    def together(self, do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [do(item) for item in items]

    def resource(self, _version: str, kind: str) -> Resource:
        return Resource("", "v1", kind, f"{kind.lower()}s", namespaced=True, listable=True)

    def items(self, resource: Resource, namespace: str = "", _selector: str = "") -> list[Json]:
        there = [o for o in self.objects.values() if o["kind"] == resource.kind]
        return [o for o in there if o["metadata"]["namespace"] == namespace]

    def get(self, obj: Json) -> Json | None:
        return self.objects.get(key_text(obj))

    def put(self, obj: Json, _current: Json) -> Json:
        raise Refusal(422, "spec is immutable after creation", label(obj))

    def create(self, obj: Json) -> Json:
        if key_text(obj) in self.objects:
            raise Refusal(409, "it exists", label(obj))
        return self.objects.setdefault(key_text(obj), obj)

    def delete(self, obj: Json, *, uid: str = "") -> None:  # noqa: ARG002 - as the real one
        self.condemned.add(key_text(obj))
        mounted = {v["persistentVolumeClaim"]["claimName"] for p in self._pods() for v in p["spec"]["volumes"][1:]}
        for key in self.condemned & set(self.objects):
            if self.objects[key]["kind"] == "Pod" or self.objects[key]["metadata"]["name"] not in mounted:
                del self.objects[key]

    def _pods(self) -> list[Json]:
        return [o for k, o in self.objects.items() if o["kind"] == "Pod" and k not in self.condemned]

    def wait(self, ready: Callable[[], bool], **_: Any) -> bool:
        return ready()


@pytest.mark.parametrize("storage_class", ["standard", "fast-ssd"])
def test_a_claim_with_a_volume_is_made_anew_with_the_pods_that_mount_it(storage_class: str) -> None:
    bound, wanted = claim("2", storage_class, volumeName="pv-1"), claim("1", "fast-ssd")
    server = Server(bound, pod("archive", "scores"), pod("other", "models"))
    plan = restore(server, build([wanted]), [bound], [])  # type: ignore[arg-type] # as much of it as is asked
    assert plan.changed == ([key_text(wanted)] if storage_class == "standard" else [])
    made = server.objects[key_text(wanted)]["spec"]
    assert made["storageClassName"] == "fast-ssd"
    assert "volumeName" not in made
    assert [p["metadata"]["name"] for p in server.items(server.resource("v1", "Pod"), "night")] == ["other"]


def test_what_is_held_for_another_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = claim("2", "standard")
    server = Server(bound)
    monkeypatch.setattr(server, "delete", lambda _obj, **_: None)
    with pytest.raises(ClusterError, match="not gone within"):
        restore(server, build([claim("1", "fast-ssd")]), [bound], [])  # type: ignore[arg-type] # as above
