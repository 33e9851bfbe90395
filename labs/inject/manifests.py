"""From a scenario's folder to the objects that are applied: `base/`, `broken/` and library faults, merged. Pure.

`labs.attempts.seeding` asks for `stages`, `labs.course.lint` for `read_folder`. Nothing here talks to a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.model import Json, Objects
from labs.course.models import Fault, Scenario, When
from labs.course.position import Document, place, read_documents
from labs.errors import DataError
from labs.inject import faults, timeline

SCENARIO_LABEL = "labs.io/scenario"
ABSENT = "labs.io/absent"  # in broken/: the object with this annotation is not there
WORKLOADS = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod", "ReplicationController"}
)
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "ResourceSlice",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object with the place it was read from.

    Attributes:
        object: The object.
        document: File and lines.
    """

    object: Json
    document: Document


@dataclass(frozen=True, slots=True)
class Stage:
    """Objects that are applied in one go.

    Attributes:
        objects: The first stage holds all of them; a later one only those it adds or changes (or, marked absent,
            removes).
        when: What of the stages before must be true first: nothing, their workloads have made their pods, or these
            are ready.
    """

    objects: list[Json]
    when: When = "together"

    def to_json(self) -> Json:
        """Return a JSON value that `from_json` reads."""
        return {"when": self.when, "objects": self.objects}

    @classmethod
    def from_json(cls, value: Json) -> Stage:
        """Read what `to_json` gave."""
        return cls(value["objects"], value["when"])


def key(obj: Json) -> Key:
    """Return what makes an object this one: group, kind, namespace, name."""
    meta = obj.get("metadata", {})
    group = obj.get("apiVersion", "").rpartition("/")[0]
    return group, obj.get("kind", ""), meta.get("namespace") or "", meta.get("name", "")


def read_folder(folder: Path) -> list[Manifest]:
    """Return the manifests of all YAML files below a folder, in the order of their names.

    Raises:
        DataError: A file is malformed, or a document is no Kubernetes object.
    """
    if not folder.is_dir():
        raise DataError("the folder is missing", where=place(folder))
    result = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        if path.suffix not in {".yaml", ".yml", ".json"}:
            raise DataError(
                "only YAML manifests belong here", where=place(path), hint="files for the learner go to workspace/"
            )
        for document in read_documents(path):
            _is_object(document)
            result.append(Manifest(document.value, document))
    return result


def _is_object(document: Document) -> None:
    value = document.value
    if not isinstance(value, dict):
        raise DataError("a manifest is a mapping", where=document.where())
    for loc in (("apiVersion",), ("kind",), ("metadata", "name")):
        found: object = value
        for part in loc:
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, str) or not found:
            name = ".".join(loc)
            raise DataError(f"a manifest needs `{name}`, a text", where=document.where(loc), hint=f"add `{name}`")


def stages(scenario: Scenario) -> list[Stage]:
    """Return what is applied, in order: everything that is there at once, then what comes when that is made or ready.

    Raises:
        DataError: A manifest is malformed, or a fault does not fit the manifests.
    """
    objects: dict[Key, Json] = {}
    for name in scenario.file.setup:
        objects.update(_folder(scenario, name))
    at_once = [f for f in scenario.file.faults if not f.at]
    together = [f for f in at_once if f.when == "together"]
    later = [f for f in at_once if f.when != "together"]
    first = _broken(scenario, objects, together)
    result = [Stage(_with_namespaces(scenario, [o for o in first.values() if not is_absent(o)]))]
    before = first
    for fault in later:
        after = _broken(scenario, before, [fault])
        changed = [o for k, o in after.items() if before.get(k) != o]
        if changed:
            result.append(Stage([_labelled(scenario, o) for o in changed], fault.when))
        before = after
    result[0].objects.extend(_timed(scenario, before))
    return result


def _timed(scenario: Scenario, objects: dict[Key, Json]) -> list[Json]:
    """Return what brings the faults that come while the learner works."""
    chosen = sorted((f for f in scenario.file.faults if f.at), key=lambda f: timeline.seconds(f.at))
    steps, before = [], objects
    for fault in chosen:
        after = _broken(scenario, before, [fault])
        steps.append(timeline.Step(timeline.seconds(fault.at), before, after))
        before = after
    return timeline.actor(scenario.file.namespaces[0], steps, ABSENT) if steps else []


def final(staged: Iterable[Stage]) -> dict[Key, Json]:
    """Return the objects as they are after the last stage."""
    result: dict[Key, Json] = {}
    for stage in staged:
        for obj in stage.objects:
            if is_absent(obj):
                result.pop(key(obj), None)
            else:
                result[key(obj)] = obj
    return result


def images(objects: Iterable[Json]) -> set[str]:
    """Return the images that the containers of some objects run."""
    found: set[str] = set()
    for obj in (each for each in objects if each["kind"] in WORKLOADS):
        spec = obj.get("spec") or {}
        spec = (spec.get("jobTemplate") or {}).get("spec") or spec
        pod = spec if obj["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
        containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
        found |= {str(container["image"]) for container in containers if container.get("image")}
    return found


def kinds(scenario: Scenario) -> list[str]:
    """Return the kinds of the scenario's own objects."""
    return sorted({obj["kind"] for obj in final(stages(scenario)).values()})


def is_absent(obj: Json) -> bool:
    """Return whether a manifest says that its object is not there."""
    return (obj["metadata"].get("annotations") or {}).get(ABSENT) == "true"


def live_faults(scenario: Scenario) -> list[Fault]:
    """Return the faults that act on objects of the cluster which are not the scenario's."""
    return [f for f in scenario.file.faults if f.use and faults.is_live(f.use)]


def targets(scenario: Scenario) -> list[Objects]:
    """Return which objects of the cluster the faults of a scenario change, at its start or while it runs."""
    found = [faults.target(f.use) for f in scenario.file.faults if f.use and faults.has_target(f.use)]
    return list(dict.fromkeys(found))


def _broken(scenario: Scenario, objects: dict[Key, Json], chosen: list[Fault]) -> dict[Key, Json]:
    result = dict(objects)
    for fault in chosen:
        if fault.apply:
            result.update(_folder(scenario, fault.apply))
        elif faults.is_manifest(fault.use):
            broken = faults.transform(list(result.values()), fault.use, fault.with_)
            result = {key(o): o for o in broken}
    return result


def _folder(scenario: Scenario, name: str) -> dict[Key, Json]:
    result = {}
    for manifest in read_folder(scenario.folder / name):
        obj = manifest.object
        if obj["kind"] not in CLUSTER_SCOPED and not obj["metadata"].get("namespace"):
            obj = {**obj, "metadata": {**obj["metadata"], "namespace": scenario.file.namespaces[0]}}
        result[key(obj)] = obj
    return result


def _with_namespaces(scenario: Scenario, objects: list[Json]) -> list[Json]:
    named = {o["metadata"]["name"] for o in objects if o["kind"] == "Namespace"}
    missing = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in scenario.file.namespaces
        if name not in named
    ]
    return [_labelled(scenario, o) for o in [*missing, *objects]]


def scenario_of(obj: Json) -> str:
    """Return the id of the scenario whose label an object carries, empty where it carries none."""
    return str((obj["metadata"].get("labels") or {}).get(SCENARIO_LABEL, ""))


def _labelled(scenario: Scenario, obj: Json) -> Json:
    """Mark what does not lie inside a namespace of ours, so that it is found again."""
    if obj["kind"] not in CLUSTER_SCOPED:
        return obj
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), SCENARIO_LABEL: scenario.id}}}
