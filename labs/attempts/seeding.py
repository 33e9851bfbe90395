"""Puts one task into a cluster, back to its start, and out again. Every step is in the store before it is done.

`service.Tasks` calls `start`, `reset`, `stop` and `mend`; `labs.prove` asks `differences`. What a step does to the
cluster is in `labs.inject`; here is the order, and what is remembered, so that a step cut off by `kill -9` can be
done again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.cluster import Cluster
from grader.errors import GraderError
from grader.guards import Baseline, capture
from grader.model import Json
from labs import paths, providers
from labs.attempts import repository, workspace
from labs.attempts.history import Stage, Story, open_story
from labs.attempts.steps import step
from labs.attempts.store import Store
from labs.course.models import Scenario
from labs.errors import ClusterError, LabsError, UsageError
from labs.events import Listener, Notice
from labs.inject import faults, files, guard, manifests, remove, restore, snapshot, symptoms
from labs.inject.api import Api
from labs.inject.apply import apply, wait_created, wait_for
from labs.inject.manifests import Stage as Applied
from labs.inject.snapshot import Snapshot
from labs.providers.base import ClusterHandle

EQUAL_WITHIN = 6.0
SHOWN_BY = 2.0  # after the start began; a symptom that takes longer is not waited for here


@dataclass(frozen=True, slots=True)
class Bench:
    """One task on one cluster, with all that is needed to work on it.

    Attributes:
        handle: The cluster.
        api: A connection that may write.
        look: Opens a connection of the grader.
        store: The event file.
        scenario: The task.
        emit: Who is told.
    """

    handle: ClusterHandle
    api: Api
    look: Callable[[], Cluster]
    store: Store
    scenario: Scenario
    emit: Listener

    @property
    def folder(self) -> Path:
        """Folder of the learner's files."""
        return workspace.folder(self.handle.name, self.scenario.id)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The task's namespaces."""
        return self.scenario.file.namespaces

    def story(self) -> Story | None:
        """Return the attempt that is open on this cluster, or None."""
        return open_story(self.store.events(self.handle.id, self.scenario.id))

    def note(self, attempt: str, kind: str, data: Json | None = None) -> None:
        """Write an event of this task."""
        self.store.append(self.handle.id, self.scenario.id, attempt, kind, data)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from starting, resetting or stopping the same task at the same time.

        Raises:
            UsageError: One of them is at it.
        """
        folder = paths.state_dir() / "locks"
        folder.mkdir(exist_ok=True, mode=0o700)
        with (folder / f"{self.handle.id}-{self.scenario.id}.lock").open("w") as file:
            if not _locked(file):
                hint = "wait for it to end, then try again"
                raise UsageError(f"another `labs` is working on the task {self.scenario.id}", hint=hint)
            yield


def _locked(file: Any) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - Windows has none; there the store's own locking has to do
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def start(bench: Bench) -> None:
    """Seed the task from nothing.

    Raises:
        NotOursError: The cluster, or a namespace, is not ours. Nothing was changed.
        ClusterError: It does not answer, or refuses an object. What had been brought is taken out again.
    """
    begun = time.monotonic()
    with step(bench.emit, "guard", "Looking whether the cluster is ours and free"):
        stages = manifests.stages(bench.scenario)
        guard.own_cluster(bench.api, bench.handle)
        left = guard.namespaces(bench.api, bench.namespaces, bench.scenario.id)
        guard.nodes(bench.api, least=bench.scenario.file.requires.nodes, scenario_nodes_may_fail=True)
    _provide(bench, stages)
    attempt = secrets.token_hex(8)
    bench.note(attempt, "begin", _before(bench, stages))
    try:
        if any(left.values()):
            with step(bench.emit, "clean", "Removing what an earlier start left"):
                remove.remove_namespaces(bench.api, bench.namespaces)
        _inject(bench, stages)
        _wait_shown(bench, begun + SHOWN_BY - time.monotonic())
        with step(bench.emit, "baseline", "Recording the baseline"):
            _files(bench)
            bench.note(attempt, "ready", _state(bench))
    except (LabsError, GraderError, KeyboardInterrupt):
        with contextlib.suppress(LabsError):  # the error that is raised is the one to tell; a later start or stop mends
            _take_out(bench, attempt)
        raise


def _provide(bench: Bench, stages: list[Applied]) -> None:
    """Have those images at hand that no node has in advance; for nearly every task there is none."""
    wanted = manifests.images(obj for stage in stages for obj in stage.objects)
    providers.provider(bench.handle.provider).provide_images(bench.handle.name, wanted, emit=bench.emit)


def _before(bench: Bench, stages: list[Applied]) -> Json:
    """Return what has to be known before the first write, so that everything can be undone."""
    named = snapshot.tracked(bench.scenario)
    return {
        "namespaces": list(bench.namespaces),
        "stages": [stage.to_json() for stage in stages],
        "digest": bench.scenario.digest,
        "inventory": snapshot.inventory(bench.api),
        "foreign": snapshot.build(snapshot.foreign(bench.api, named, bench.scenario.id)).to_json(),
    }


def _inject(bench: Bench, stages: list[Applied]) -> None:
    for number, stage in enumerate(stages):
        if number:
            with step(bench.emit, "healthy", f"Waiting until the healthy state is {stage.when}", "≤ 120 s"):
                wait_for(bench.api, stage.when, _workloads(stages[0].objects))
        title = "Breaking it" if number else "Applying the task's objects"
        with step(bench.emit, f"apply-{number}", title) as said:
            apply(bench.api, stage.objects)
            said.append(f"{len(stage.objects)} objects")
    _live(bench)
    _wait_created(bench, stages)


def _live(bench: Bench) -> None:
    for fault in manifests.live_faults(bench.scenario):
        resource = bench.api.resource("", faults.target(fault.use).kind)
        wanted = faults.patch(bench.api.items(resource), fault.use, fault.with_)
        bench.api.together(
            lambda obj: bench.api.merge(
                obj, {"metadata": {"labels": obj["metadata"].get("labels")}, "spec": obj["spec"]}
            ),
            wanted,
        )


def _wait_created(bench: Bench, stages: list[Applied]) -> None:
    with step(bench.emit, "pods", "Waiting for the pods to be made") as said:
        late = wait_created(bench.api, _workloads(list(manifests.final(stages).values())))
        said += [f"no pods yet: {name}" for name in late]


def _wait_shown(bench: Bench, seconds: float) -> None:
    """Wait a moment for the symptoms of the task's faults; which they are is for the learner to find."""
    wanted = symptoms.visible(bench.scenario)
    if wanted and seconds > 0:
        with step(bench.emit, "symptoms", "Waiting until the symptoms show", f"≤ {SHOWN_BY:.0f} s") as said:
            if symptoms.wait_shown(bench.api, wanted, bench.namespaces, seconds=seconds, every=0.1):
                said.append("not all of them yet")


def _workloads(objects: list[Json]) -> list[Json]:
    return [o for o in objects if o["kind"] in manifests.WORKLOADS]


def _state(bench: Bench) -> Json:
    """Return what a reset and the guards compare with."""
    objects = snapshot.build(snapshot.contents(bench.api, bench.namespaces, bench.scenario.id))
    named = snapshot.tracked(bench.scenario)
    foreign = snapshot.build(snapshot.foreign(bench.api, named, bench.scenario.id))
    return {"objects": objects.to_json(), "foreign": foreign.to_json(), "guards": _capture(bench)}


def _capture(bench: Bench) -> Json:
    cluster = bench.look()
    try:
        return capture(bench.scenario.file.guards, cluster).model_dump(mode="json", by_alias=True)
    except GraderError as error:
        raise ClusterError(error.message, hint=error.hint) from None
    finally:
        cluster.close()


def _files(bench: Bench) -> None:
    """Give the learner the task's files as they are at the start."""
    workspace.restore(bench.scenario.folder / "workspace", bench.folder, files.broken(bench.scenario))
    if bench.scenario.repository is not None:
        repository.make(bench.scenario.repository, bench.folder)


def _files_differ(bench: Bench) -> list[str]:
    shipped, made = bench.scenario.folder / "workspace", bench.scenario.repository
    apart = made.folder if made else ""
    found = workspace.differs(shipped, bench.folder, files.broken(bench.scenario), apart=apart)
    return [*found, *(repository.differs(made, bench.folder) if made else [])]


def guards_baseline(store: Store, attempt: str) -> Baseline | None:
    """Return what the guards compare with."""
    event = store.latest(attempt, ("ready", "reset"))
    return Baseline.model_validate(event.data["guards"]) if event else None


def reset(bench: Bench, story: Story) -> None:
    """Put a running task back to its broken start, exactly.

    Raises:
        ClusterError: The cluster does not answer, or something is still different after several tries; it is named.
    """
    begin, ready = _memory(bench, story)
    baseline = Snapshot.from_json(ready["objects"])
    with step(bench.emit, "guard", "Looking whether the cluster is ours"):
        guard.own_cluster(bench.api, bench.handle)
    _provide(bench, _stages(begin))
    bench.note(story.id, "resetting")
    with step(bench.emit, "restore", "Putting the objects back") as said:
        _end_dying(bench)
        # Nodes first: a pod that is made anew must not find the label or the room that a learner gave it.
        _free_nodes(bench)
        mended = restore.restore_foreign(bench.api, Snapshot.from_json(ready["foreign"]))
        said.extend((_restore(bench, baseline, begin), *mended))
    _files(bench)
    _wait_created(bench, _stages(begin))
    with step(bench.emit, "compare", "Comparing with the baseline"):
        now = _until_equal(bench, baseline, begin)
        bench.note(story.id, "reset", {"marks": now.to_json()["marks"], "guards": _capture(bench)})


def _memory(bench: Bench, story: Story) -> tuple[Json, Json]:
    begin = bench.store.latest(story.id, ("begin",))
    ready = bench.store.latest(story.id, ("ready",))
    if begin is None or ready is None:
        hint = f"labs scenarios start {bench.scenario.id}"
        raise UsageError(f"the task {bench.scenario.id} was not completely started", hint=hint)
    last = bench.store.latest(story.id, ("reset",))
    marks = last.data["marks"] if last else ready.data["objects"]["marks"]
    return begin.data, {**ready.data, "objects": {**ready.data["objects"], "marks": marks}}


def _stages(begin: Json) -> list[Applied]:
    return [Applied.from_json(stage) for stage in begin["stages"]]


def _end_dying(bench: Bench) -> None:
    """Namespaces somebody has deleted are waited for, so that they can be made again."""
    found = bench.api.together(
        lambda n: bench.api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}), bench.namespaces
    )
    dying = [obj["metadata"]["name"] for obj in found if obj and obj["metadata"].get("deletionTimestamp")]
    if dying:
        remove.remove_namespaces(bench.api, dying)


def _restore(bench: Bench, baseline: Snapshot, begin: Json) -> str:
    remove.remove_objects(bench.api, _strays(bench, baseline, begin))
    now = snapshot.contents(bench.api, bench.namespaces, bench.scenario.id)
    applied = _stages(begin)
    plan = restore.restore(bench.api, baseline, now, applied)
    if len(applied) == 1:  # with several, all workloads were made again, pods and all
        restore.fresh_pods(bench.api, bench.namespaces)
    return plan.words()


def _strays(bench: Bench, baseline: Snapshot, begin: Json) -> list[Json]:
    """Cluster-scoped objects the learner made for the task; the scenario's own are in the baseline."""
    found = snapshot.strays(bench.api, begin["inventory"], bench.namespaces, bench.scenario.id)
    return [o for o in found if snapshot.key_text(o) not in baseline.objects]


def _until_equal(bench: Bench, baseline: Snapshot, begin: Json) -> Snapshot:
    found = Snapshot()

    def equal() -> bool:
        nonlocal found
        found = snapshot.build(snapshot.contents(bench.api, bench.namespaces, bench.scenario.id))
        return found.text() == baseline.text()

    if bench.api.wait(equal, seconds=EQUAL_WITHIN, every=0.2):
        return found
    _restore(bench, baseline, begin)  # something was made while we worked: once more
    if bench.api.wait(equal, seconds=EQUAL_WITHIN, every=0.2):
        return found
    words = restore.difference(Snapshot(baseline.objects), Snapshot(found.objects)).words()
    hint = "something in the cluster goes on changing it; stop the task and start it again"
    raise ClusterError(f"still different from the baseline: {words}", where=bench.scenario.id, hint=hint)


def stop(bench: Bench, story: Story) -> None:
    """Take the task out of the cluster and restore the foreign objects it changed.

    Raises:
        ClusterError: A namespace does not go away in time; the reason is the cluster's. `stop` again goes on.
    """
    with step(bench.emit, "guard", "Looking whether the cluster is ours"):
        guard.own_cluster(bench.api, bench.handle)
    with step(bench.emit, "remove", "Removing the task from the cluster", f"≤ {remove.GONE_WITHIN:.0f} s"):
        _take_out(bench, story.id)


def _take_out(bench: Bench, attempt: str) -> None:
    bench.note(attempt, "stopping")
    begin = bench.store.latest(attempt, ("begin",))
    data: Json = begin.data if begin else {"inventory": [], "foreign": Snapshot().to_json(), "namespaces": []}
    names = list(dict.fromkeys([*bench.namespaces, *data["namespaces"]]))
    remove.remove_namespaces(bench.api, names)
    left = snapshot.contents(bench.api, [], bench.scenario.id)
    if begin is not None:
        left += snapshot.strays(bench.api, data["inventory"], names, bench.scenario.id)
    remove.remove_objects(bench.api, left)
    _free_nodes(bench)
    restore.restore_foreign(bench.api, Snapshot.from_json(data["foreign"]))
    workspace.remove(bench.folder)
    bench.note(attempt, "stopped")


def mend(bench: Bench) -> Story | None:
    """Finish what a killed process has begun; return the attempt that runs afterwards, or None.

    A start that was cut off is taken out again, a stop is finished, a reset is done anew.
    """
    story = bench.story()
    if story is None or story.stage is Stage.RUNNING:
        return story
    if story.stage is Stage.RESETTING:
        bench.emit(Notice("A reset was cut off; it is done again."))
        reset(bench, story)
        return bench.story()
    cut = "start" if story.stage is Stage.BEGINNING else "stop"
    bench.emit(Notice(f"A {cut} was cut off; what it left is removed."))
    stop(bench, story)
    return None


def missing(bench: Bench) -> list[str]:
    """Return the task's namespaces that are not there, or are going away."""
    found = bench.api.together(
        lambda n: bench.api.get({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}), bench.namespaces
    )
    gone = [obj is None or bool(obj["metadata"].get("deletionTimestamp")) for obj in found]
    return [name for name, is_gone in zip(bench.namespaces, gone, strict=True) if is_gone]


def differences(bench: Bench) -> list[str]:
    """Return what of a running task differs from its baseline: objects, foreign objects, files.

    Empty right after a reset.
    """
    story = bench.story()
    if story is None:
        return ["the task does not run"]
    begin, ready = _memory(bench, story)
    now = snapshot.build(snapshot.contents(bench.api, bench.namespaces, bench.scenario.id))
    result = _unequal(Snapshot.from_json(ready["objects"]), now)
    named = snapshot.tracked(bench.scenario)
    foreign = snapshot.build(snapshot.foreign(bench.api, named, bench.scenario.id))
    result += _unequal(Snapshot.from_json(ready["foreign"]), foreign)
    result += [snapshot.key_text(o) for o in _strays(bench, Snapshot.from_json(ready["objects"]), begin)]
    return result + _files_differ(bench)


def _unequal(wanted: Snapshot, found: Snapshot) -> list[str]:
    keys = sorted({*wanted.objects, *found.objects})
    return [
        k
        for k in keys
        if json.dumps(wanted.objects.get(k), sort_keys=True) != json.dumps(found.objects.get(k), sort_keys=True)
    ]


def _free_nodes(bench: Bench) -> None:
    if any(check.triggered for check in bench.scenario.file.checks):
        restore.free_nodes(bench.api, bench.namespaces)
