"""Whether what a look saw is still in motion: a settled failure is told at once, a rollout is waited for.

Pure functions over a `Snapshot`, and `Watch`, which compares one look with the next; used by `grader.runner`. They read
the objects' own times against the API server's clock. An approximation on purpose, in the safe direction: what may
still change by itself is waited for, never longer than the runner's `settle` seconds.

At rest is also what is broken and stays so: a pod in back-off, one that no node can take, one that runs and has not
become ready in the time its probes needed. Their state is the verdict. A deleted object leaves no time behind: the
newest events tell of it in the first look, the missing uid in those that follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from grader.model import Json, Objects
from grader.snapshot import CLIENT_PREFIX, Snapshot
from grader.text import clean, title
from grader.times import age_of, age_of_event, changes, times

QUIET = 5.0
"""Seconds without a change after which an object counts as settled: endpoints and packet rules follow within two."""

SCRAPED = 12.0
"""The same where a Prometheus is asked: it hears of pods up to five seconds late, and its rates look back for eight."""

LOGGED = 15.0
"""The same where a line of a log is missing: a client that met a server too early may wait ten seconds before it tries
again."""

STARTUP = 7.0
"""Least seconds a container that runs is given to become ready, whatever its probes say: servers load libraries."""

BUDGET = 10.0
"""Most seconds of a probe's own patience that are waited for, of a container in creation, of a refused pod's retry."""

NOTICE = 15.0
"""Seconds in which a kubelet tries a pod again whose ConfigMap, Secret or claim was missing or wrong."""

JOB = 60.0
"""Seconds a running Job is waited for."""

SYNC = 20.0
"""Seconds in which an autoscaler looks at its target again: it does so every 15."""

MEASURED = 75.0
"""Seconds until a new pod counts for an autoscaler: the window its usage is measured over begins when it is ready."""

_CONFIG = frozenset({"ConfigMap", "Secret", "PersistentVolumeClaim"})
_KINDS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "Service", "EndpointSlice", "NetworkPolicy", "ResourceQuota")
_ROLLING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_WORKLOADS = _ROLLING | {"Pod", "ReplicaSet", "Job"}
# What these say changes all the time and means nothing for the objects of a task.
_NOISE = frozenset({"Event", "Lease", "PodMetrics", "NodeMetrics", "ComponentStatus"})
_STUCK = frozenset(
    {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"}
    | {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_UNPLACED = frozenset({"Unschedulable", "SchedulingGated"})
_PROGRESS = frozenset({"ReplicaSetUpdated", "NewReplicaSetCreated", "FoundNewReplicaSet", "DeploymentResumed"})
_TELLING = frozenset({"Killing", "SuccessfulDelete", "SuccessfulCreate", "ScalingReplicaSet", "Scheduled", "Preempted"})


def questions(namespaces: Iterable[str]) -> list[Objects]:
    """Return the lists that tell whether the namespaces are settled."""
    kinds = (*_KINDS, *sorted(_CONFIG), "Event")
    return [Objects(kind="Node"), *(Objects(kind=kind, namespace=space) for space in namespaces for kind in kinds)]


def needed_to_pass(namespaces: Iterable[str]) -> list[Objects]:
    """Return the lists that `rolling` looks at."""
    return [Objects(kind="Deployment", namespace=namespace) for namespace in namespaces]


def rolling(snapshot: Snapshot, namespaces: Sequence[str]) -> str:
    """Return what to wait for before a pass counts: a Deployment whose newest spec no controller has seen, or nothing.

    Until then the pods that answer may all be old ones.
    """
    for obj in snapshot.seen():
        meta = obj["metadata"]
        if obj.get("kind") == "Deployment" and meta.get("namespace") in namespaces and _lags(obj):
            return f"the controller to take up {title(obj)}"
    return ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much patience there is.

    Attributes:
        startup: Most seconds that a startup probe's patience is waited for.
        slow: Factor on every patience, above 1 on a machine that is slow to answer.
        rest: Least seconds without a change after which an object counts as settled.
    """

    startup: float = BUDGET
    slow: float = 1.0
    rest: float = QUIET

    @property
    def quiet(self) -> float:
        """Seconds without a change after which an object counts as settled."""
        return max(QUIET, self.rest) + QUIET * (self.slow - 1)


DEFAULT_PACE = Pace()


def motion(snapshot: Snapshot, namespaces: Sequence[str], now: datetime, pace: Pace = DEFAULT_PACE) -> str:
    """Return what is in motion, to stand after "waiting for", or nothing when all is settled.

    Args:
        snapshot: A look that has read `questions(namespaces)`.
        namespaces: The scenario's; objects in others do not count.
        now: The API server's time.
        pace: How much patience there is.
    """
    everything = snapshot.seen()
    objects = [obj for obj in everything if obj["metadata"].get("namespace", "") in {"", *namespaces}]
    view = _View(now, pace, _news(objects, now), _pulling(objects), _scaled(objects, now))
    for obj in objects:
        kind = obj.get("kind")
        moves = view.pod(obj) if kind == "Pod" else view.event(obj) if kind == "Event" else view.other(obj)
        if moves:
            return moves
    return ""


def _news(objects: Iterable[Json], now: datetime) -> dict[str, float]:
    """Return for each namespace how many seconds ago a pod's configuration changed."""
    ages: dict[str, float] = {}
    for obj in objects:
        if obj.get("kind") in _CONFIG and obj["metadata"].get("name") != "kube-root-ca.crt":
            space = str(obj["metadata"].get("namespace", ""))
            ages[space] = min(ages.get(space, float("inf")), age_of(changes(obj, status=False), now))
    return ages


def _pulling(objects: Iterable[Json]) -> frozenset[tuple[str, str]]:
    """Return the pods whose newest word is that an image is being pulled, as namespace and name."""
    newest: dict[tuple[str, str], tuple[datetime, str]] = {}
    for event in objects:
        about = event.get("involvedObject") or {}
        if event.get("kind") != "Event" or about.get("kind") != "Pod":
            continue
        key = (str(about.get("namespace", "")), str(about.get("name", "")))
        for time in times(event.get("lastTimestamp"), event.get("eventTime"), event.get("firstTimestamp")):
            newest[key] = max(newest.get(key, (time, "")), (time, str(event.get("reason", ""))))
    return frozenset(key for key, (_, reason) in newest.items() if reason == "Pulling")


def _scaled(objects: Iterable[Json], now: datetime) -> dict[str, float]:
    """Return for each namespace how many seconds ago anything changed that an autoscaler looks at."""
    ages: dict[str, float] = {}
    for obj in objects:
        kind = obj.get("kind")
        if kind in _ROLLING | {"HorizontalPodAutoscaler"}:
            age = age_of(changes(obj, status=False), now)
        elif kind == "Pod":
            age = age_of(times(obj["metadata"].get("creationTimestamp")), now)
        else:
            continue
        space = str(obj["metadata"].get("namespace", ""))
        ages[space] = min(ages.get(space, float("inf")), age)
    return ages


def _lags(obj: Json) -> bool:
    return int(obj["metadata"].get("generation") or 0) > int((obj.get("status") or {}).get("observedGeneration") or 0)


@dataclass(frozen=True, slots=True)
class _View:
    """The eyes for one look: each method returns what an object makes us wait for, or nothing."""

    now: datetime
    pace: Pace
    news: dict[str, float]
    pulling: frozenset[tuple[str, str]]
    scaled: dict[str, float]

    def event(self, event: Json) -> str:
        """Judge an event: some tell of what leaves no time behind, such as a pod that is gone."""
        about = event.get("involvedObject") or {}
        name = str(about.get("name", ""))
        if event.get("reason") not in _TELLING or name.startswith(CLIENT_PREFIX):
            return ""
        if age_of_event(event, self.now) >= self.pace.quiet:
            return ""
        return clean(f"what happened to {about.get('kind', 'object')} {name} ({event['reason']}) to take effect", 160)

    def other(self, obj: Json) -> str:
        """Judge an object that is no pod."""
        kind = obj.get("kind")
        if kind in _NOISE:
            return ""
        if kind in _ROLLING and _lags(obj):
            return f"the controller to take up {title(obj)}"
        age = age_of(changes(obj, status=False), self.now)
        rollout = kind in _WORKLOADS
        if kind == "HorizontalPodAutoscaler":
            return self._autoscaler(obj)
        if age < self.pace.quiet:
            return f"the rollout of {title(obj)}" if rollout else f"the change of {title(obj)} to take effect"
        return f"the rollout of {title(obj)}" if kind == "Deployment" and self._progresses(obj, age) else ""

    def _autoscaler(self, scaler: Json) -> str:
        """Judge an autoscaler: after a change it needs its next round, and for new pods their first measurement."""
        status = scaler.get("status") or {}
        said = {c.get("type"): c for c in status.get("conditions") or []}
        if (said.get("ScalingActive") or {}).get("status") == "True":
            return ""
        able = (said.get("AbleToScale") or {}).get("status") != "False"
        measuring = able and "missing request" not in str((said.get("ScalingActive") or {}).get("message") or "")
        age = self.scaled.get(str(scaler["metadata"].get("namespace", "")), float("inf"))
        patience = (MEASURED if measuring else SYNC) * self.pace.slow
        return f"{title(scaler)} to look at its target again" if age < patience else ""

    def _progresses(self, deployment: Json, age: float) -> bool:
        status = deployment.get("status") or {}
        said = {c.get("type"): c for c in status.get("conditions") or []}
        progressing = said.get("Progressing") or {}
        newest = age_of(times(progressing.get("lastUpdateTime"), progressing.get("lastTransitionTime")), self.now)
        if progressing.get("reason") in _PROGRESS and newest < self.pace.quiet:
            return True
        if int(status.get("readyReplicas") or 0) > int(status.get("availableReplicas") or 0):
            return True  # `minReadySeconds` is running
        # A controller that was refused a pod tries again on its own clock, not at once after a repair.
        refused = (said.get("ReplicaFailure") or {}).get("status") == "True"
        return refused and age < BUDGET * self.pace.slow

    def pod(self, pod: Json) -> str:
        """Judge a pod."""
        ends = next(times(pod["metadata"].get("deletionTimestamp")), None)
        if ends is not None:
            return f"{title(pod)} to end" if self.now - ends < timedelta(seconds=self.pace.quiet) else ""
        status = pod.get("status") or {}
        containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        waits = {((c.get("state") or {}).get("waiting") or {}).get("reason") for c in containers} - {None}
        creating = status.get("phase") == "Pending" and bool(waits)
        if waits & _STUCK or _unplaced(status):
            return self._news_for(pod)
        age = age_of(_pod_times(pod, containers), self.now)
        if age < self.pace.quiet or (creating and self._is_made(pod, age)):
            return f"{title(pod)} to settle"
        if any(self._starting(pod, container) for container in containers):
            return f"{title(pod)} to become ready"
        if creating:
            return self._news_for(pod)
        return f"{title(pod)} to finish" if _is_batch(pod) and age < JOB else ""

    def _news_for(self, pod: Json) -> str:
        """Judge a pod that is stuck: it will be tried again soon after its configuration has changed."""
        age = self.news.get(str(pod["metadata"].get("namespace", "")), float("inf"))
        return f"{title(pod)} to be tried again" if age < NOTICE * self.pace.slow else ""

    def _is_made(self, pod: Json, age: float) -> bool:
        key = (str(pod["metadata"].get("namespace", "")), str(pod["metadata"].get("name", "")))
        return age < BUDGET * self.pace.slow or key in self.pulling

    def _starting(self, pod: Json, status: Json) -> bool:
        """Return whether a container runs but its probes have not had the time yet to find it ready."""
        started = list(times(((status.get("state") or {}).get("running") or {}).get("startedAt")))
        specs = (pod.get("spec") or {}).get("containers") or []
        spec: Json = next((c for c in specs if c.get("name") == status.get("name")), {})
        if not started or status.get("ready") or not (spec.get("readinessProbe") or spec.get("startupProbe")):
            return False
        startup, own = spec.get("startupProbe"), _patience(spec.get("readinessProbe"))
        most = self.pace.startup if startup else BUDGET
        patience = max(min(_patience(startup) + own, most), STARTUP) * self.pace.slow
        return age_of(started, self.now) < patience


def _patience(probe: Json | None) -> float:
    """Return the seconds after which a probe has given up; its defaults are the API server's."""
    if not probe:
        return 0.0
    period, failures = float(probe.get("periodSeconds") or 10), float(probe.get("failureThreshold") or 3)
    return float(probe.get("initialDelaySeconds") or 0) + period * failures


def _unplaced(status: Json) -> bool:
    if status.get("nominatedNodeName"):
        return False  # others are being preempted for it
    placed: Json = next((c for c in status.get("conditions") or [] if c.get("type") == "PodScheduled"), {})
    return placed.get("status") == "False" and placed.get("reason") in _UNPLACED


def _is_batch(pod: Json) -> bool:
    """Return whether a pod runs to an end; a server that was started as a Job has a readiness probe and does not."""
    owners = {owner.get("kind") for owner in pod["metadata"].get("ownerReferences") or []}
    probed = any(c.get("readinessProbe") for c in (pod.get("spec") or {}).get("containers") or [])
    return "Job" in owners and not probed and (pod.get("status") or {}).get("phase") == "Running"


def _pod_times(pod: Json, containers: Iterable[Json]) -> Iterator[datetime]:
    yield from changes(pod, status=False)
    for condition in (pod.get("status") or {}).get("conditions") or []:
        yield from times(condition.get("lastTransitionTime"))
    for container in containers:
        state = container.get("state") or {}
        yield from times(
            (state.get("running") or {}).get("startedAt"), (state.get("terminated") or {}).get("finishedAt")
        )
        yield from times(((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))


# --- from one look to the next ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Watch:
    """Sees what came and went between two looks.

    Args:
        namespaces: The scenario's.
    """

    namespaces: tuple[str, ...]
    _known: dict[Objects, dict[str, str]] = field(default_factory=dict)
    _changed: float = float("-inf")
    _what: str = ""

    def moving(self, snapshot: Snapshot, now: datetime, at: float, pace: Pace = DEFAULT_PACE) -> str:
        """Return what is in motion, or nothing; call it once for each look.

        Args:
            snapshot: The look.
            now: The API server's time.
            at: Monotonic seconds of the look.
            pace: How much patience there is.
        """
        for question, objects in snapshot.lists().items():
            if question.kind in _NOISE:
                continue
            spaces = {"", *self.namespaces}
            there = {_uid(obj): title(obj) for obj in objects if obj["metadata"].get("namespace", "") in spaces}
            before = self._known.get(question, there)
            gone = [name for uid, name in before.items() if uid not in there]
            new = [name for uid, name in there.items() if uid not in before]
            if gone or new:
                self._changed = at
                self._what = f"the removal of {gone[0]} to take effect" if gone else f"{new[0]} to settle"
            self._known[question] = there
        moves = motion(snapshot, self.namespaces, now, pace)
        return moves or (self._what if at - self._changed < pace.quiet else "")


def _uid(obj: Json) -> str:
    meta = obj["metadata"]
    return str(meta.get("uid") or f"{meta.get('namespace', '')}/{meta.get('name', '')}")
