"""What came close: the right idea in the wrong place. Each finding names an object and the field that still differs.

`coach.py` calls `near_misses`. Every rule is one function over a `View`, and says nothing unless it is sure: the fault
is known, the object was read, and its field still has the broken value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from grader.model import Json
from grader.text import clean
from labs.attempts.clues import name_of
from labs.attempts.fieldpaths import overlap
from labs.attempts.naming import Named
from labs.coaching.audit import Write
from labs.coaching.faulty import Fault, value_of
from labs.coaching.touched import fields
from labs.inject.normal import controller_of

_RESTART = "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]"
_EDITS = frozenset({"patch", "update"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object in the learner's files.

    Attributes:
        where: File, or what renders it.
        object: The object.
        whole: Whether all of it is there; a patch says nothing of what it leaves out.
    """

    where: str
    object: Json
    whole: bool = True

    def describes(self, fault: Fault) -> bool:
        """Whether it is of the object that has the fault."""
        meta = self.object.get("metadata") or {}
        return (self.object.get("kind"), meta.get("name")) == (fault.object.kind, fault.object.name)

    def keeps(self, fault: Fault) -> bool:
        """Whether it would bring the fault back."""
        known = fault.broken is not None or self.whole
        return self.describes(fault) and known and value_of(self.object, fault.path) == fault.broken


@dataclass(slots=True)
class View:
    """What the rules look at.

    Attributes:
        since: From when on changes count.
        namespaces: The task's.
        writes: What the learner wrote.
        faults: Where the fault sits.
        live: Objects as they are now.
        manifests: Objects in the learner's files.
        busy: Namespaces of other tasks that run.
    """

    since: datetime
    namespaces: tuple[str, ...]
    writes: list[Write]
    faults: list[Fault]
    live: list[Json]
    manifests: list[Manifest] = field(default_factory=list)
    busy: frozenset[str] = frozenset()

    def get(self, named: Named) -> Json | None:
        """Return an object that was read, None where it was not or is not there."""
        return next((obj for obj in self.live if name_of(obj) == named), None)

    def holding(self, named: Named) -> list[Fault]:
        """Return the faults of an object that are still there."""
        obj = self.get(named)
        return [f for f in self.faults if f.object == named and f.holds(obj)] if obj is not None else []

    def changed(self, named: Named) -> list[str]:
        """Return the paths of an object that the learner changed."""
        obj = self.get(named)
        return fields(obj, self.since) if obj is not None else []

    def written(self, *verbs: str) -> list[Named]:
        """Return the objects that the learner wrote with one of the verbs, each once."""
        return list(dict.fromkeys(w.object for w in self.writes if w.verb in verbs))


def near_misses(view: View) -> list[str]:
    """Return the near misses in words, the surest first."""
    return list(dict.fromkeys(clean(words, 400) for rule in RULES for words in rule(view)))


def edited_pod(view: View) -> Iterator[str]:
    """A Pod was edited, or deleted, and what makes it is as it was."""
    for named in view.written("patch", "update", "delete"):
        if named.kind != "Pod" or named.namespace not in view.namespaces:
            continue
        maker = _maker(view, named)
        if maker is None:
            continue
        held = [f for f in view.holding(maker) if f.path.startswith("spec.template.")]
        said = _still(view, maker, {_in_template(path): path for path in view.changed(named)}, named)
        if said:
            yield f"you edited {named}, but {maker}, which makes it, {said}"
        elif held and named in view.written("delete") and not view.changed(maker):
            yield f"you deleted {named}, but {maker} makes the next one from the same `spec.template`"


def edited_replica_set(view: View) -> Iterator[str]:
    """A ReplicaSet was edited or scaled, and its Deployment is as it was."""
    for named in view.written("patch", "update"):
        if named.kind != "ReplicaSet" or named.namespace not in view.namespaces:
            continue
        maker = _maker(view, named)
        paths = view.changed(named)
        paths += ["spec.replicas" for w in view.writes if w.object == named and w.subresource == "scale"]
        said = _still(view, maker, {path: path for path in paths}, named) if maker is not None else ""
        if said:
            yield f"you edited {named}, but {maker}, which owns it, {said}"


def elsewhere(view: View) -> Iterator[str]:
    """An object of the same name was changed in another namespace."""
    for named in view.written("create", "patch", "update"):
        if not named.namespace or named.namespace in view.busy:
            continue
        mine = {f.object for f in view.faults}
        for other in mine:
            alike = (other.kind, other.name) == (named.kind, named.name) and other.namespace != named.namespace
            if not alike or named in mine or view.changed(other) or other in view.written("patch", "update", "delete"):
                continue
            held = view.holding(other)
            if held:
                path = next((f.path for f in held if any(overlap(f.path, p) for p in view.changed(named))), "")
                words = f"`{path}`" if path else "the object"
                yield (
                    f"you changed {named} in the namespace {named.namespace}; the one in {other.namespace} is the "
                    f"task's, and {words} there is as it was at the start"
                )


def only_labels(view: View) -> Iterator[str]:
    """Only labels, annotations or the status of the faulty object were changed, or it was only restarted."""
    for named in dict.fromkeys(f.object for f in view.faults):
        held, all_ = view.holding(named), [f for f in view.faults if f.object == named]
        own = [w for w in view.writes if w.object == named and w.verb in _EDITS]
        if not own or len(held) < len(all_) or any(f.path.startswith("metadata.") for f in all_):
            continue
        paths = view.changed(named)
        root = "spec" if any(f.path.startswith("spec") for f in all_) else all_[0].path.partition(".")[0]
        if all(w.subresource == "status" for w in own) or (paths and all(p.startswith("status") for p in paths)):
            yield f"you changed only the status of {named}, which its controller writes; its `{root}` is as it was"
        elif paths and all(p == _RESTART for p in paths):
            yield f"you restarted {named}; its pods are new, and its `spec.template` is as it was"
        elif paths and all(p.startswith(("metadata.labels", "metadata.annotations")) for p in paths):
            yield f"you changed only {', '.join(f'`{p}`' for p in paths[:3])} of {named}; its `{root}` is as it was"


def only_live(view: View) -> Iterator[str]:
    """The running object was mended, and the learner's files would bring the fault back."""
    for named in view.written("patch", "update", "create"):
        paths = view.changed(named)
        obj = view.get(named)
        for fault in (f for f in view.faults if f.object == named and obj is not None and not f.holds(obj)):
            if not any(overlap(fault.path, path) for path in paths):
                continue
            kept = next((manifest for manifest in view.manifests if manifest.keeps(fault)), None)
            if kept is not None:
                yield (
                    f"the running {named} is changed, but {kept.where} still has `{fault.path}` as it was: the next "
                    "apply brings it back"
                )


RULES: tuple[Callable[[View], Iterator[str]], ...] = (
    edited_pod,
    edited_replica_set,
    elsewhere,
    only_live,
    only_labels,
)


def _still(view: View, maker: Named, paths: dict[str, str], made: Named) -> str:
    """Return what a maker still has, of paths that were changed in what it made; empty when nothing is sure.

    Args:
        view: What there is.
        maker: The controller.
        paths: Path in the maker → path in what it made.
        made: What it made.
    """
    same = next((f for f in view.holding(maker) if any(overlap(f.path, path) for path in paths)), None)
    if same is not None:
        return f"still has `{same.path}` as it was at the start"
    above, below = view.get(maker), view.get(made)
    if above is None or below is None:
        return ""
    for path, inside in paths.items():
        theirs, mine = value_of(above, path), value_of(below, inside)
        # A field that the maker does not state may be a note for debugging; one that it states comes back.
        if None not in {theirs, mine} and theirs != mine:
            return f"has another value in `{path}`: what it makes next will not have yours"
    return ""


def _in_template(path: str) -> str:
    return f"spec.template.{path}"


def _maker(view: View, named: Named) -> Named | None:
    """Return what makes a Pod or ReplicaSet: by its owners, or, once it is gone or let go, by its name's form."""
    top, obj = named, view.get(named)
    while obj is not None:
        owner = controller_of(obj)
        if owner is None:
            break
        top = Named(str(owner["kind"]), str(owner["name"]), named.namespace)
        obj = view.get(top)
    if top.kind in {"Deployment", "StatefulSet", "DaemonSet"}:
        return top
    forms = {"Pod": "-[a-z0-9]{6,10}-[a-z0-9]{5}", "ReplicaSet": "-[a-z0-9]{6,10}"}
    for maker in dict.fromkeys(f.object for f in view.faults if f.object.kind == "Deployment"):
        form = re.escape(maker.name) + forms.get(named.kind, "$.")
        if maker.namespace == named.namespace and re.fullmatch(form, named.name):
            return maker
    return None
