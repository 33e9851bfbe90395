"""What one scenario may leave outside its namespaces, and what of that is there after it has ended.

Several gates, learners and engineers may work on one cluster at once, so a comparison of the whole cluster would find
what others do. Here only this is compared:

- the scenario's own: its namespaces, and cluster-scoped objects that carry its label or name one of its namespaces;
- cluster-scoped objects and tracked foreign ones that its fixes name, or that its faults change;
- settings of nodes (cordon, taints, labels) that changed while a step of its own that acts on nodes was at work.

`gate.py` makes one for each proof. It reads; it changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from grader.model import Json
from labs.course.models import Scenario
from labs.inject import snapshot
from labs.inject.api import Api
from labs.inject.manifests import scenario_of, targets
from labs.inject.normal import is_derived, normal
from labs.prove import words
from labs.providers.base import ClusterHandle


@dataclass(slots=True)
class Outside:
    """The cluster around one scenario.

    Attributes:
        scenario: The scenario.
        raw: Returns the raw objects of the cluster outside namespaces, and the foreign ones the scenario is about.
        before: What was there at the beginning: key → normal form.
        nodes: Settings of all nodes at the beginning.
        touched: Settings of nodes that the scenario's own steps have changed.
    """

    scenario: Scenario
    raw: Callable[[], list[Json]]
    before: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Remember how things are before the scenario starts."""
        objects = self.raw()
        self.before, self.nodes = self._related(objects), settings(objects)

    @contextmanager
    def acting(self, kinds: frozenset[str]) -> Iterator[None]:
        """Note which settings of nodes change while a step of the scenario works that may change them.

        Args:
            kinds: The kinds of settings (`words.CORDON`, …) it may change; none: nothing is looked at.
        """
        if not kinds:
            yield
            return
        earlier = settings(self.raw())
        try:
            yield
        finally:
            later = settings(self.raw())
            changed = {k for k in {*earlier, *later} if earlier.get(k) != later.get(k)}
            self.touched |= {key for key in changed if _kind(key) in kinds}

    def left(self) -> list[str]:
        """Return what is not as it was, sorted; empty when the scenario has left nothing."""
        objects = self.raw()
        now, nodes = self._related(objects), settings(objects)
        result = [k for k, text in now.items() if self.before.get(k) != text]
        result += [k for k in self.before if k not in now and not self._own_key(k)]
        result += [key for key in self.touched if self.nodes.get(key) != nodes.get(key)]
        return sorted(result)

    def is_anothers(self, key: str) -> bool:
        """Return whether a difference (a key of a snapshot) is a node which no step of this scenario has touched."""
        _, kind, _, name = key.split("/", 3) if key.count("/") > 2 else ("", "", "", "")  # noqa: PLR2004 - the four parts of a key
        return kind == "Node" and not any(touched.startswith(f"Node {name}:") for touched in self.touched)

    def _related(self, objects: Iterable[Json]) -> dict[str, str]:
        said = words.names(self.scenario)
        changed = {what.kind for what in targets(self.scenario)}
        found = {}
        for obj in objects:
            if obj["kind"] == "Node" or is_derived(obj) or self._of_another(obj):
                continue
            if self._own(obj) or obj["metadata"]["name"] in said or obj["kind"] in changed:
                found[snapshot.key_text(obj)] = json.dumps(normal(obj), sort_keys=True)
        return found

    def _of_another(self, obj: Json) -> bool:
        return scenario_of(obj) not in {"", self.scenario.id}

    def _own(self, obj: Json) -> bool:
        spaces = set(self.scenario.file.namespaces)
        if scenario_of(obj) == self.scenario.id:
            return True
        if obj["kind"] == "Namespace":
            return obj["metadata"]["name"] in spaces
        return snapshot.mentions(obj, spaces)

    def _own_key(self, key: str) -> bool:
        """Whether what is gone was the scenario's own (an earlier run had left it), which is no loss."""
        text = json.loads(self.before[key])
        return self._own(text)


def settings(objects: Iterable[Json]) -> dict[str, str]:
    """Return what people set on nodes, one entry for each setting: `Node NAME: cordon` → its value."""
    found: dict[str, str] = {}
    for node in (normal(o) for o in objects if o["kind"] == "Node"):
        name = f"Node {node['metadata']['name']}"
        found[f"{name}: {words.THERE}"] = "yes"
        if node["spec"].get("unschedulable"):
            found[f"{name}: {words.CORDON}"] = "yes"
        for taint in node["spec"].get("taints", []):
            found[f"{name}: {words.TAINT} {taint['key']}:{taint['effect']}"] = str(taint.get("value", ""))
        for label, value in node["metadata"]["labels"].items():
            found[f"{name}: {words.LABEL} {label}"] = value
    return found


def _kind(key: str) -> str:
    return key.partition(": ")[2].partition(" ")[0]


def around(handle: ClusterHandle, scenario: Scenario) -> Outside:
    """Return the cluster around a scenario; it connects anew for each look, because looks are minutes apart.

    Raises (when looking):
        ClusterError: The cluster does not answer.
    """
    named = [what for what in snapshot.tracked(scenario) if what.kind != "Node"]

    def raw() -> list[Json]:
        api = Api(handle.kubeconfig)
        try:
            kinds = [api.resource("v1", kind) for kind in ("Namespace", "Node", "PersistentVolume")]
            listed = [o for found in api.together(api.items, kinds) for o in found]
            found = [*listed, *snapshot.cluster_scoped(api), *snapshot.foreign(api, named, scenario.id)]
            return list({snapshot.key_text(o): o for o in found}.values())
        finally:
            api.close()

    return Outside(scenario, raw)
