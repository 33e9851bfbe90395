"""What the cluster holds of a task: all objects in its namespaces, and the foreign ones it is about, in normal form.

`labs.attempts.seeding` takes one when a task is ready to work on (the baseline); `restore.py` compares with it;
`labs.prove` too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.model import Json, Objects
from labs.course.models import Scenario
from labs.inject.api import Api, Resource
from labs.inject.manifests import CLUSTER_SCOPED, SCENARIO_LABEL, scenario_of, targets
from labs.inject.normal import is_derived, normal

_NOT_LISTED = frozenset({"events", "leases", "controllerrevisions", "endpoints"})
_NOT_GROUPS = frozenset({"metrics.k8s.io", "events.k8s.io", "coordination.k8s.io"})
_INVENTORY = frozenset(CLUSTER_SCOPED - {"Node", "Namespace", "PersistentVolume"})
# Lists of these are read, never restored: a check that counts pods of all namespaces is not about every pod.
_NEVER_TRACKED = frozenset({"Pod", "Event", "EndpointSlice", "Endpoints", "ReplicaSet", "Namespace"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Objects in normal form, and which incarnation of them was there.

    Attributes:
        objects: `group/Kind/namespace/name` → normal form.
        marks: The same keys → (uid, generation); not part of the comparison.
    """

    objects: dict[str, Json] = field(default_factory=dict)
    marks: dict[str, tuple[str, int]] = field(default_factory=dict)

    def text(self) -> str:
        """Return the comparable form: two equal snapshots give the same bytes."""
        return json.dumps(self.objects, sort_keys=True, separators=(",", ":"))

    def to_json(self) -> Json:
        """Return a JSON value that `from_json` reads."""
        return {"objects": self.objects, "marks": {k: list(v) for k, v in self.marks.items()}}

    @classmethod
    def from_json(cls, value: Json) -> Snapshot:
        """Read what `to_json` gave."""
        return cls(value["objects"], {k: (v[0], v[1]) for k, v in value["marks"].items()})


def key_text(obj: Json) -> str:
    """Return the snapshot key of an object."""
    meta = obj["metadata"]
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{group}/{obj['kind']}/{meta.get('namespace') or ''}/{meta['name']}"


def build(objects: Iterable[Json]) -> Snapshot:
    """Return the snapshot of raw objects; derived ones are left out."""
    found: dict[str, Json] = {}
    marks: dict[str, tuple[str, int]] = {}
    everything = list(objects)
    scaled = {_target(obj) for obj in everything if obj["kind"] == "HorizontalPodAutoscaler"}
    for obj in everything:
        if is_derived(obj):
            continue
        name = key_text(obj)
        found[name] = normal(obj)
        if (obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]) in scaled:
            found[name].get("spec", {}).pop("replicas", None)  # the autoscaler's decision
        marks[name] = (obj["metadata"].get("uid", ""), obj["metadata"].get("generation", 0))
    return Snapshot(dict(sorted(found.items())), marks)


def _target(autoscaler: Json) -> tuple[str, str, str]:
    ref = autoscaler["spec"]["scaleTargetRef"]
    return ref["kind"], autoscaler["metadata"]["namespace"], ref["name"]


def kinds(api: Api) -> list[Resource]:
    """Return the namespaced kinds a snapshot reads."""
    return [
        r
        for r in api.resources()
        if r.namespaced and r.listable and r.plural not in _NOT_LISTED and r.group not in _NOT_GROUPS
    ]


def contents(api: Api, namespaces: Sequence[str], scenario_id: str) -> list[Json]:
    """Return the raw objects of a task: its Namespaces, all that is in them, and cluster-scoped ones with its label."""
    selector = f"{SCENARIO_LABEL}={scenario_id}"
    wanted = [(r, n, "") for r in kinds(api) for n in namespaces]
    wanted += [(r, "", selector) for r in api.resources() if r.listable and r.kind in _INVENTORY | {"PersistentVolume"}]
    lists = api.together(lambda w: api.items(*w), wanted)
    spaces = api.together(
        lambda n: api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}), namespaces
    )
    return [*(s for s in spaces if s is not None), *(o for found in lists for o in found)]


# --- foreign objects -------------------------------------------------------------------------------------------------


def tracked(scenario: Scenario) -> list[Objects]:
    """Return the foreign objects a scenario is about: its checks, guards and faults name them."""
    own = set(scenario.file.namespaces)
    named: list[Any] = [*targets(scenario)]
    for check in scenario.file.checks:
        named += check.observe.values()
        if check.condition:
            named.append(check.condition.of)
        if check.match:
            meta = check.match.object.get("metadata", {})
            kind = str(check.match.object.get("kind", ""))
            named.append(Objects(kind=kind, namespace=meta.get("namespace"), name=str(meta.get("name", ""))))
    for guard in scenario.file.guards:
        named += guard.observe.values()
        named += [x.of for x in (guard.unchanged, guard.exists) if x is not None]
    result = []
    for what in named:
        if not isinstance(what, Objects) or what.kind in _NEVER_TRACKED or what.namespace in own:
            continue
        if what.namespace or what.kind in CLUSTER_SCOPED:
            result.append(what)
    return list(dict.fromkeys(result))


def foreign(api: Api, named: Sequence[Objects], scenario_id: str) -> list[Json]:
    """Return the raw foreign objects that are there; the scenario's own cluster-scoped ones are not foreign."""
    found: dict[str, Json] = {}
    for what in named:
        resource = api.resource(what.api_version, what.kind)
        for obj in api.items(resource, what.namespace or "", what.selector):
            if what.name in {"", obj["metadata"]["name"]} and scenario_of(obj) != scenario_id:
                found[key_text(obj)] = obj
    return list(found.values())


def inventory(api: Api) -> list[str]:
    """Return the keys of all cluster-scoped objects that a learner may add to: roles, bindings, classes, webhooks."""
    return sorted(key_text(o) for o in cluster_scoped(api))


def cluster_scoped(api: Api) -> list[Json]:
    """Return the raw objects of an inventory."""
    wanted = [r for r in api.resources() if not r.namespaced and r.listable and r.kind in _INVENTORY]
    return [o for found in api.together(api.items, wanted) for o in found]


def strays(api: Api, known: Iterable[str], namespaces: Sequence[str], scenario_id: str) -> list[Json]:
    """Return cluster-scoped objects that came after `known` was taken and name one of the task's namespaces."""
    before = set(known)
    found = [o for o in cluster_scoped(api) if key_text(o) not in before]
    return [o for o in found if mentions(o, set(namespaces)) or scenario_of(o) == scenario_id]


def mentions(value: Any, words: set[str]) -> bool:
    """Return whether one of the words is a value anywhere in an object."""
    if isinstance(value, dict):
        return any(mentions(v, words) for k, v in value.items() if k != "managedFields")
    if isinstance(value, list):
        return any(mentions(v, words) for v in value)
    return isinstance(value, str) and value in words
