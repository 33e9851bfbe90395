"""Puts a task's objects back to a snapshot, exactly.

`difference` plans (pure), `restore` acts, `restore_foreign` mends what is not ours.

Called by `labs.attempts.seeding` for reset and stop. Nothing outside the task's namespaces is touched, except the
cluster-scoped objects that carry its label and the foreign ones in its snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.acts import MARK, UNMARKED
from grader.model import Json
from grader.taints import UNSCHEDULABLE, is_controlled
from labs.errors import ClusterError
from labs.inject.api import Api, Refusal, label
from labs.inject.apply import apply, wait_for
from labs.inject.held import free
from labs.inject.manifests import WORKLOADS, Stage, final, is_absent
from labs.inject.normal import PROBER, controller_of, normal
from labs.inject.snapshot import Snapshot, build, key_text

GONE_WITHIN = 40.0
_REPLAYED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"})
_FRESH = frozenset({"Job", "Pod"})  # what has run cannot be put back, only made again


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done for a snapshot to be true again; keys of objects.

    Attributes:
        added: There now, not in the baseline: deleted.
        missing: In the baseline, gone: made again.
        changed: Different: put back in place.
        again: Workloads whose history is not the baseline's: deleted and made again.
    """

    added: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.missing or self.changed or self.again)

    def words(self) -> str:
        """Return it for a message."""
        parts = [("added", self.added), ("missing", self.missing), ("changed", self.changed), ("made anew", self.again)]
        return "; ".join(f"{what}: {', '.join(keys)}" for what, keys in parts if keys)


def difference(baseline: Snapshot, now: Snapshot) -> Difference:
    """Compare two snapshots."""
    plan = Difference(
        added=[k for k in now.objects if k not in baseline.objects],
        missing=[k for k in baseline.objects if k not in now.objects],
    )
    for name, wanted in baseline.objects.items():
        found = now.objects.get(name)
        if found is None:
            continue
        kind = wanted["kind"]
        if kind in _REPLAYED and baseline.marks.get(name) != now.marks.get(name):
            plan.again.append(name)
        elif found != wanted:
            (plan.again if kind in _FRESH else plan.changed).append(name)
    return plan


def restore(api: Api, baseline: Snapshot, now: Iterable[Json], stages: Sequence[Stage]) -> Difference:
    """Make the objects of a task those of the baseline again.

    Args:
        api: The cluster.
        baseline: What is wanted.
        now: The raw objects of the task (`snapshot.contents`).
        stages: How the scenario was applied; workloads are made again from it.

    Returns:
        What was different.
    """
    raw = {key_text(o): o for o in now}
    plan = difference(baseline, build(raw.values()))
    held = {k for k, o in raw.items() if _dying(o) or _bound(o)}
    anew = [k for k, o in baseline.objects.items() if _always_anew(k, o, plan, stages) or k in held]
    again = list(dict.fromkeys((*plan.again, *anew)))
    _remove(api, [raw[k] for k in (*plan.added, *again)], raw.values())
    api.together(lambda k: _put_back(api, baseline.objects[k], raw[k]), [k for k in plan.changed if k not in again])
    _make(api, [baseline.objects[k] for k in dict.fromkeys((*plan.missing, *again))], stages)
    return plan


def fresh_pods(api: Api, namespaces: Sequence[str]) -> None:
    """Delete the pods that controllers own: what a container was told at its start is not seen in any object.

    Pods of the baseline that nobody owns were made again by `restore`, so they are left.
    """
    pod = api.resource("v1", "Pod")
    pods = [p for found in api.together(lambda n: api.items(pod, n, f"!{PROBER}"), namespaces) for p in found]
    api.together(api.delete, [p for p in pods if controller_of(p) is not None])


def _always_anew(name: str, obj: Json, plan: Difference, stages: Sequence[Stage]) -> bool:
    """Jobs and bare pods always; with a history of several stages (a rollout that is stuck half-way) every workload."""
    if name in plan.missing or name in plan.again or obj["kind"] not in _REPLAYED:
        return False
    return obj["kind"] in _FRESH or len(stages) > 1


def _dying(obj: Json) -> bool:
    """Whether an object is deleted already and a finalizer holds it; its normal form does not tell."""
    return obj["kind"] != "Namespace" and bool(obj["metadata"].get("deletionTimestamp"))


def _bound(obj: Json) -> bool:
    """Whether it is a claim with a volume: what is written there, or that there is one, cannot be put back."""
    return obj["kind"] == "PersistentVolumeClaim" and bool(obj["spec"].get("volumeName"))


def _remove(api: Api, objects: Sequence[Json], all_objects: Iterable[Json]) -> None:
    """Delete objects, what they own, and wait until their names are free."""
    uids = {o["metadata"]["uid"] for o in objects}
    owned = [o for o in all_objects if _owners(o) & uids]
    below = {o["metadata"]["uid"] for o in owned}
    owned += [o for o in all_objects if _owners(o) & below]
    api.together(lambda o: api.delete(o, uid=o["metadata"]["uid"]), [o for o in objects if o["kind"] != "Pod"])
    pods = [o for o in (*objects, *owned) if o["kind"] == "Pod"]
    pods += _users(api, [o for o in objects if o["kind"] == "PersistentVolumeClaim"])
    api.together(api.delete, [*pods, *(o for o in owned if o["kind"] != "Pod")])
    free(api, objects)
    waiting = [o for o in (*objects, *owned) if o["kind"] in WORKLOADS or o in objects]

    def gone() -> bool:
        states = api.together(api.get, waiting)
        waiting[:] = [
            o for o, s in zip(waiting, states, strict=True) if s and s["metadata"]["uid"] == o["metadata"]["uid"]
        ]
        return not waiting

    if waiting and not api.wait(gone, seconds=GONE_WITHIN, every=0.05):
        held = waiting[0]
        finalizers = ", ".join(held["metadata"].get("finalizers") or []) or "its own deletion"
        hint = f"what holds it is {finalizers}; remove that and run the command again"
        raise ClusterError(f"not gone within {GONE_WITHIN:.0f} s", where=label(held), hint=hint)


def _users(api: Api, claims: Sequence[Json]) -> list[Json]:
    """Return the pods that mount claims: a claim goes after them, and pods made meanwhile are not placed."""
    names = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in claims}
    pod = api.resource("v1", "Pod") if names else None
    found = api.together(lambda space: api.items(pod, space), sorted({space for space, _ in names})) if pod else []
    return [p for pods in found for p in pods if names & {(p["metadata"]["namespace"], c) for c in _claims(p)}]


def _claims(pod: Json) -> set[str]:
    mounted = [v.get("persistentVolumeClaim") or {} for v in pod["spec"].get("volumes") or []]
    return {c["claimName"] for c in mounted if "claimName" in c}


def _owners(obj: Json) -> set[str]:
    return {o["uid"] for o in obj["metadata"].get("ownerReferences") or []}


def _put_back(api: Api, wanted: Json, current: Json) -> None:
    """Replace a changed object; where the API server does not allow that (an immutable field), delete and create it."""
    for _ in range(3):
        try:
            if api.put(_writable(wanted, current), current) is not None:
                return
        except Refusal as refusal:
            if refusal.status not in {409, 422}:
                raise
            if refusal.status == 422:  # noqa: PLR2004 - HTTP: a field cannot be changed
                break
        current = api.get(wanted) or {}
        if not current:
            break
    if current:
        _remove(api, [current], [])
    _create(api, wanted)


def _writable(wanted: Json, current: Json) -> Json:
    """Add what the normal form leaves out and a replacement must carry."""
    body = {**wanted, "metadata": dict(wanted["metadata"])}
    kept = [f for f in current["metadata"].get("finalizers") or [] if f not in wanted["metadata"].get("finalizers", [])]
    protected = [f for f in kept if f.startswith(("kubernetes.io/", "batch.kubernetes.io/"))]
    if protected:
        body["metadata"]["finalizers"] = [*wanted["metadata"].get("finalizers", []), *protected]
    if wanted["kind"] == "Namespace":
        body["spec"] = current.get("spec", {})
    if wanted["kind"] == "PersistentVolumeClaim" and current["spec"].get("volumeName"):
        body["spec"] = {**wanted["spec"], "volumeName": current["spec"]["volumeName"]}
    return body


def _create(api: Api, wanted: Json) -> None:
    try:
        made = api.create(wanted)
    except Refusal as refusal:
        if refusal.status == 409:  # noqa: PLR2004 - HTTP: somebody was faster
            current = api.get(wanted)
            if current is not None and normal(current) != wanted:
                api.put(_writable(wanted, current), current)
            return
        raise
    if made is None:
        raise ClusterError("its namespace is gone", where=label(wanted), hint="run `labs reset` for the task again")


def _make(api: Api, objects: Sequence[Json], stages: Sequence[Stage]) -> None:
    """Create objects: workloads of the scenario the way they came, everything else from its normal form."""
    scripted = {key_text(o): o for o in final(stages).values()}
    replayed = {key_text(o) for o in objects if o["kind"] in _REPLAYED and key_text(o) in scripted}
    plain = [o for o in objects if key_text(o) not in replayed]
    for wave in (
        [o for o in plain if o["kind"] == "Namespace"],
        [o for o in plain if o["kind"] not in WORKLOADS | {"Namespace"}],
        [o for o in plain if o["kind"] in WORKLOADS],
    ):
        api.together(lambda o: _create(api, o), wave)
    if len(stages) == 1:
        apply(api, [o for o in stages[0].objects if key_text(o) in replayed])
        return
    for stage in stages:
        wait_for(api, stage.when, [o for o in stages[0].objects if key_text(o) in replayed])
        apply(api, [o for o in stage.objects if is_absent(o) or key_text(o) in replayed or o["kind"] not in WORKLOADS])


# --- foreign objects -------------------------------------------------------------------------------------------------


def restore_foreign(api: Api, wanted: Snapshot) -> list[str]:
    """Put foreign objects back to their recorded state; return the keys of those that were different.

    Raises:
        ClusterError: A node is gone; it cannot be made again from here.
    """
    states = api.together(api.get, wanted.objects.values())
    different = []
    for (name, obj), current in zip(wanted.objects.items(), states, strict=True):
        if current is not None and normal(current) == obj:
            continue
        different.append(name)
        if obj["kind"] == "Node":
            _mend_node(api, obj, current)
        elif current is None:
            _create(api, obj)
        else:
            _put_back(api, obj, current)
    return different


def _mend_node(api: Api, wanted: Json, current: Json | None) -> None:
    if current is None:
        raise ClusterError(
            "the node is gone", where=label(wanted), hint="`labs up` brings its kubelet back, then run this again"
        )
    labels: dict[str, Any] = dict.fromkeys(current["metadata"].get("labels") or {})
    labels.update(wanted["metadata"]["labels"])
    cordoned = wanted["spec"].get("unschedulable")
    controlled = [t for t in current["spec"].get("taints") or [] if is_controlled(t)]
    # The taint of a cordon goes with it: the node controller takes it away later, and pods come at once.
    kept = [t for t in controlled if cordoned or t["key"] != UNSCHEDULABLE]
    spec = {"taints": [*wanted["spec"].get("taints", []), *kept] or None, "unschedulable": cordoned}
    api.merge(wanted, {"metadata": {"labels": labels}, "spec": spec})


def free_nodes(api: Api, namespaces: Sequence[str]) -> None:
    """Take back the cordons of a drain that a grader began for these namespaces and did not live to end.

    Raises:
        ClusterError: The cluster does not answer.
    """
    for node in api.items(api.resource("v1", "Node")):
        if (node["metadata"].get("annotations") or {}).get(MARK) in {"", *namespaces}:
            api.merge(node, UNMARKED)
