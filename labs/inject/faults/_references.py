"""Where a pod refers to ConfigMaps and Secrets. For the faults that break such references; no fault of its own."""

from __future__ import annotations

from collections.abc import Iterator

from grader.model import Json


def containers(spec: Json) -> Iterator[Json]:
    """Yield all containers of a pod, the init containers first."""
    yield from spec.get("initContainers") or []
    yield from spec["containers"]


def references(spec: Json, kind: str) -> Iterator[tuple[Json, str]]:
    """Yield what names a ConfigMap or Secret: the mapping and the key in it that holds the name."""
    ref, env, volume, name = (
        ("configMapRef", "configMapKeyRef", "configMap", "name")
        if kind == "ConfigMap"
        else ("secretRef", "secretKeyRef", "secret", "secretName")
    )
    for container in containers(spec):
        yield from ((entry[ref], "name") for entry in container.get("envFrom") or [] if ref in entry)
        for entry in container.get("env") or []:
            if env in (entry.get("valueFrom") or {}):
                yield entry["valueFrom"][env], "name"
    for entry in spec.get("volumes") or []:
        if volume in entry:
            yield entry[volume], name
        for source in (entry.get("projected") or {}).get("sources") or []:
            if volume in source:
                yield source[volume], "name"


def keys(spec: Json, kind: str, name: str) -> Iterator[Json]:
    """Yield the mappings with a `key` of that ConfigMap or Secret: variables, and items of volumes."""
    for holder, field in references(spec, kind):
        if holder[field] != name:
            continue
        if "key" in holder:
            yield holder
        yield from holder.get("items") or []
