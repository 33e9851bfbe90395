"""Puts what the learner changed, and what came close, into a report. Called by `labs.attempts.service` after a grading.

It asks the cluster for the few objects that were written or are at fault. It never raises for what is in
or about the cluster: a report without coaching is still a report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml

from grader.cluster import Cluster
from grader.errors import GraderError
from grader.model import Change, Json, Objects, Rendered, Report
from labs.attempts.clues import KINDS, name_of
from labs.attempts.fieldpaths import shorten
from labs.attempts.naming import Named
from labs.coaching import audit, touched
from labs.coaching.audit import Write
from labs.coaching.faulty import Fault, faults
from labs.coaching.nearmiss import Manifest, View, near_misses
from labs.coaching.unused import LARGEST_FILE, Mine, unused
from labs.course.models import Scenario
from labs.inject import manifests
from labs.inject.manifests import CLUSTER_SCOPED
from labs.inject.normal import is_derived

MOST_MISSES = 4
MOST_CHANGES = 100
WORKERS = 8
_MAKERS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True, slots=True)
class Task:
    """What a coach has to know of an attempt.

    Attributes:
        scenario: The task.
        started: When it was ready to work on.
        since: From when on changes count: the start, or the last reset.
        log: The API server's audit log, None where the provider has none.
        workspace: The learner's files.
        busy: Namespaces of other tasks that run on the cluster.
    """

    scenario: Scenario
    started: datetime
    since: datetime
    log: Path | None
    workspace: Path
    busy: frozenset[str] = frozenset()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The task's namespaces."""
        return self.scenario.file.namespaces


def coach(report: Report, task: Task, cluster: Cluster) -> Report:
    """Return the report with what the learner changed and, unless it passed, what came close."""
    where = faults(task.scenario) if not report.passed else []
    kinds = cache(lambda: manifests.kinds(task.scenario))  # reads files, so once, and only when it is asked
    writes = _written(task, where, kinds)
    live = _read(cluster, _wanted(task, writes, where)) if writes or where or task.log is None else []
    if task.log is None:
        writes = list(_from_objects(live, task.since))
    changes = [_change(write, live, task.since) for write in writes if _own(write.object, task, kinds)]
    first = min((w.at for w in writes if w.at >= task.started), default=None)
    view = View(
        task.since, task.namespaces, writes, where, live, list(_manifests(task, cluster)) if where else [], task.busy
    )
    return report.model_copy(
        update={
            "changes": changes[-MOST_CHANGES:],
            "coaching": [] if report.passed else _coaching(report, task, view, cluster)[:MOST_MISSES],
            "time_to_first_change": (first - task.started).total_seconds() if first else None,
        }
    )


def _coaching(report: Report, task: Task, view: View, cluster: Cluster) -> list[str]:
    shipped = list(_files(task.scenario.folder / "workspace")) if view.faults else []
    mine = Mine(task.scenario, report, task.workspace, view, shipped, logged=task.log is not None)
    return [*(near_misses(view) if view.writes else []), *unused(mine, cluster)]


def _own(named: Named, task: Task, kinds: Callable[[], list[str]]) -> bool:
    if named.namespace or named.kind == "Namespace":
        return (named.namespace or named.name) in task.namespaces
    return named.kind == "Node" or named.kind in kinds()


def _written(task: Task, where: Iterable[Fault], kinds: Callable[[], list[str]]) -> list[Write]:
    """Return the writes that belong to the task: in its namespaces, cluster-wide, or to a namesake elsewhere."""
    if task.log is None:
        return []
    alike = {(f.object.kind, f.object.name) for f in where}
    found = audit.read(task.log, task.since)
    return [w for w in found if _own(w.object, task, kinds) or (w.object.kind, w.object.name) in alike]


def _wanted(task: Task, writes: list[Write], where: list[Fault]) -> list[Objects]:
    """Return the lists that hold what was written, what makes it, and what is at fault."""
    if task.log is None:
        return [Objects(kind=kind, namespace=ns) for kind in KINDS for ns in task.namespaces]
    pairs = {(w.object.kind, w.object.namespace) for w in writes}
    pairs |= {(f.object.kind, f.object.namespace) for f in where}
    if any(w.object.kind in {"Pod", "ReplicaSet"} for w in writes):
        pairs |= {(kind, ns) for kind in _MAKERS for ns in task.namespaces}
    wide = sorted({kind for kind, _ in pairs if kind in CLUSTER_SCOPED})
    return [
        *(Objects(kind=kind) for kind in wide),
        *(Objects(kind=kind, namespace=ns) for kind, ns in sorted(pairs) if ns and kind not in {*wide, "Secret"}),
    ]


def _read(cluster: Cluster, wanted: list[Objects]) -> list[Json]:
    def one(what: Objects) -> list[Json]:
        try:
            return [{**obj, "kind": what.kind} for obj in cluster.read(what)]
        except GraderError:
            return []

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="coach") as pool:
        return [obj for objects in pool.map(one, wanted) for obj in objects]


def _from_objects(live: list[Json], since: datetime) -> Iterator[Write]:
    """Tell changes from the objects alone: what was deleted left no trace there."""
    found = []
    for obj in live:
        if not is_derived(obj) or obj["kind"] in {"Pod", "ReplicaSet"}:
            for at, manager, sub, _ in touched.entries(obj, since):
                found.append(Write(at, "update", name_of(obj), sub, manager))
    yield from sorted(found, key=lambda w: w.at)


def _change(write: Write, live: list[Json], since: datetime) -> Change:
    obj = next((o for o in live if name_of(o) == write.object), None)
    known = list(touched.entries(obj, since)) if obj is not None and write.verb in {"patch", "update"} else []
    # One entry may stand for several writes of one program: the nearest in time is this write's.
    near = min(known, key=lambda entry: abs((entry[0] - write.at).total_seconds()), default=None)
    return Change(
        at=write.at.isoformat(timespec="seconds"),
        verb=write.verb,
        object=str(write.object) + (f" ({write.subresource})" if write.subresource else ""),
        namespace=write.object.namespace,
        fields=shorten([p for p in near[3] if "last-applied" not in p]) if near else [],
        by=near[1] if near else write.agent,
    )


def _manifests(task: Task, cluster: Cluster) -> Iterator[Manifest]:
    """Yield the objects of the learner's files: rendered where a check renders them, else as they are written."""
    rendered = {r.kustomize for c in task.scenario.file.checks for r in c.observe.values() if isinstance(r, Rendered)}
    rendered |= {c.kustomize.folder for c in task.scenario.file.checks if c.kustomize is not None}
    for folder in sorted(rendered):
        try:
            yield from (Manifest(f"what {folder} renders", obj) for obj in cluster.render(folder))
        except GraderError:
            continue
    if not rendered:
        yield from _files(task.workspace)


def _files(folder: Path) -> Iterator[Manifest]:
    """Yield the objects that are written in the files of a folder, if there is one."""
    for path in sorted(folder.rglob("*.y*ml"))[:200]:
        if ".git" in path.parts or path.is_symlink() or path.stat().st_size > LARGEST_FILE:
            continue
        yield from _documents(path, str(path.relative_to(folder)))


def _documents(path: Path, name: str) -> Iterator[Manifest]:
    try:
        found = list(yaml.safe_load_all(path.read_text(encoding="utf-8", errors="replace")))
    except (yaml.YAMLError, OSError):
        return
    whole = not (path.parent / "kustomization.yaml").exists()
    for document in found:
        if isinstance(document, dict) and isinstance(document.get("metadata"), dict):
            yield Manifest(name, document, whole=whole)
