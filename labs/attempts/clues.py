"""What a learner may point at as evidence: every event, log line and field of a task's namespaces, as lines of text.

`diagnosis.py` and `service.Tasks.clues` ask for them through the grader's `Cluster`. Whether a line proves anything is
decided in `diagnosis.py`; Secrets are never read into lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from grader.cluster import Cluster, LogRequest
from grader.errors import GraderError
from grader.model import Json, Objects
from grader.pods import containers
from grader.text import clean
from labs.attempts.fieldpaths import leaves, segments
from labs.attempts.naming import Named
from labs.inject.manifests import CLUSTER_SCOPED as CLUSTER_WIDE
from labs.inject.manifests import SCENARIO_LABEL
from labs.inject.normal import controller_of, is_derived

KINDS = (
    *("Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Service", "EndpointSlice"),
    *("ConfigMap", "Ingress", "NetworkPolicy", "ResourceQuota", "LimitRange", "PersistentVolumeClaim"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceAccount", "Role", "RoleBinding"),
)
UNREAD = frozenset({"Secret", "Namespace"})
"""Kinds whose objects are never listed as clues: a Secret's values must not be shown, a namespace proves nothing."""
TAIL = 2000  # lines of each log
LONGEST = 4096  # characters of one line
WORKERS = 8
_NOISE = frozenset({"managedFields", "uid", "resourceVersion", "selfLink", "generateName", "ownerReferences"})
_NOISY = ("[kubectl.kubernetes.io/last-applied-configuration]", "status.images", "status.nodeInfo")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of evidence.

    Attributes:
        source: `event`, `log` or `field`.
        place: What it is about: `Pod/x`, `recs-b-…/server`, `ConfigMap/y`.
        text: The line, as `kubectl` shows it: a message, a line of a log, `key: value`.
        more: What stands around it: an event's type and reason, a field's path.
    """

    source: str
    place: str
    text: str
    more: str = ""

    @property
    def whole(self) -> str:
        """Everything that belongs to it, in one text."""
        return f"{self.more} {self.place} {self.text}" if self.more else self.text

    def to_json(self) -> Json:
        """Return a JSON value that `from_json` reads."""
        return {"source": self.source, "place": self.place, "text": self.text, "more": self.more}

    @classmethod
    def from_json(cls, value: Json) -> Line:
        """Read what `to_json` gave."""
        return cls(value["source"], value["place"], value["text"], value["more"])


@dataclass(slots=True)
class Clues:
    """What was there at one moment.

    Attributes:
        lines: Events, newest first; then logs, newest line first; then fields.
        objects: Every object that was read.
        looked: What was looked at, for people: `12 events`, `4 logs`.
        unread: What could not be read, with the reason.
    """

    lines: list[Line] = field(default_factory=list)
    objects: list[Json] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def named(self, wanted: Named) -> Json | None:
        """Return the object of that name, or None."""
        return next((obj for obj in self.objects if name_of(obj).same(wanted)), None)

    def search(self, words: str) -> list[Line]:
        """Return the lines that hold all of the words, each text once, in order; no words: all of them."""
        wanted = words.lower().split()
        texts = ((line, f"{line.source} {line.place} {line.whole}".lower()) for line in self.lines)
        found = [line for line, text in texts if all(word in text for word in wanted)]
        return list({(line.source, line.place, line.text): line for line in found}.values())

    def names(self) -> list[str]:
        """Return `Kind/name` of the objects a learner may name: what somebody made, not what a controller did."""
        return sorted({str(name_of(obj)) for obj in self.objects if not is_derived(obj)})

    def owners(self, obj: Json) -> list[Named]:
        """Return an object and the controllers above it."""
        chain = [name_of(obj)]
        while True:
            owner = controller_of(obj)
            if owner is None or len(chain) > 5:  # noqa: PLR2004 - nothing real is nested deeper
                return chain
            above = Named(str(owner.get("kind", "")), str(owner.get("name", "")), chain[0].namespace)
            chain.append(above)
            found = self.named(above)
            if found is None:
                return chain
            obj = found


def name_of(obj: Json) -> Named:
    """Return how an object is named."""
    meta = obj["metadata"]
    return Named(str(obj.get("kind", "")), str(meta.get("name", "")), str(meta.get("namespace") or ""))


def gather(cluster: Cluster, namespaces: Sequence[str], kinds: Iterable[str] = ()) -> Clues:
    """Read everything a learner could point at. Never raises for what cannot be read: it is named in `unread`.

    Args:
        cluster: Whom to ask.
        namespaces: The task's.
        kinds: Kinds beyond the usual ones, such as those of the scenario's manifests.
    """
    clues = Clues()
    wanted = dict.fromkeys([*KINDS, "Node", *(k for k in kinds if k not in UNREAD)])
    lists = [Objects(kind=k, namespace=ns) for k in wanted if k not in CLUSTER_WIDE for ns in namespaces]
    lists += [Objects(kind=k, selector="" if k == "Node" else SCENARIO_LABEL) for k in wanted if k in CLUSTER_WIDE]
    events = [Objects(kind="Event", namespace=ns) for ns in dict.fromkeys([*namespaces, "default"])]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="clues") as pool:
        for objects in pool.map(lambda what: _read(cluster, what, clues), lists):
            clues.objects += objects
        said = [event for found in pool.map(lambda what: _read(cluster, what, clues), events) for event in found]
        requests = list(_logs(o for o in clues.objects if o["kind"] == "Pod"))
        logs = list(pool.map(lambda request: _log(cluster, request, clues), requests))
    told = [event for event in sorted(said, key=_when, reverse=True) if _ours(event, namespaces)]
    clues.lines += [line for line in map(_event, told) if line.text]
    clues.lines += [line for found in logs for line in found]
    clues.lines += [line for obj in clues.objects for line in field_lines(obj)]
    clues.looked = [
        _count(len(told), "event"),
        f"{_count(len(requests), 'log')} (previous runs too, the last {TAIL} lines of each)",
        f"the fields of {_count(len(clues.objects), 'object')}",
    ]
    return clues


def _read(cluster: Cluster, what: Objects, clues: Clues) -> list[Json]:
    try:
        return [{**obj, "kind": what.kind} for obj in cluster.read(what)]
    except GraderError as error:
        clues.unread.append(f"{what.kind} in {what.namespace or 'the cluster'}: {error.message}")
        return []


def _logs(pods: Iterable[Json]) -> Iterator[LogRequest]:
    for pod in pods:
        meta, status = pod["metadata"], pod.get("status") or {}
        said = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
        again = {str(s.get("name")) for s in said if int(s.get("restartCount") or 0) > 0}
        for container in containers(pod):
            request = LogRequest(str(meta.get("namespace", "")), str(meta.get("name", "")), container, tail=TAIL)
            yield request
            if container in again:
                yield LogRequest(request.namespace, request.pod, container, previous=True, tail=TAIL)


def _log(cluster: Cluster, request: LogRequest, clues: Clues) -> list[Line]:
    try:
        text = cluster.logs(request) or ""
    except GraderError as error:
        clues.unread.append(f"log of {request.pod}: {error.message}")
        return []
    place = f"{request.pod}/{request.container}{' (previous run)' if request.previous else ''}"
    rows = [row for row in text.splitlines() if row.strip()]
    return [Line("log", place, row[:LONGEST]) for row in reversed(rows)]


def _event(event: Json) -> Line:
    about = event.get("involvedObject") or event.get("regarding") or {}
    message = str(event.get("message") or event.get("note") or "")[:LONGEST]
    more = f"{event.get('type', '')} {event.get('reason', '')}".strip()
    return Line("event", f"{about.get('kind', 'object')}/{about.get('name', '?')}", message, more)


def _ours(event: Json, namespaces: Sequence[str]) -> bool:
    """Of the namespace `default`, only what is said about nodes belongs to a task."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    return event["metadata"].get("namespace", "") in namespaces or about.get("kind") == "Node"


def _when(event: Json) -> str:
    series = event.get("series") or {}
    meta = event.get("metadata") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(t) for t in times if t), str(meta.get("creationTimestamp") or ""))


def field_lines(obj: Json) -> Iterator[Line]:
    """Yield the fields of an object as lines; each line of a text (a ConfigMap's file) is one of its own."""
    if obj.get("kind") == "Secret":
        return
    place = str(name_of(obj))
    plain = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    for path, value in [*leaves(plain), *_joined(plain)]:
        if value in (None, "") or any(part in path for part in _NOISY) or _NOISE & set(segments(path)):
            continue
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        rows = [row for row in text.splitlines() if row.strip()]
        if len(rows) > 1:
            yield from (Line("field", place, row[:LONGEST].strip(), path) for row in rows)
        else:
            yield Line("field", place, f"{_last(path)}: {text.strip()[:LONGEST]}", path)


def _joined(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield lists of words (`args`) as one text too: that is how they are read."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _joined(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        if len(value) > 1 and all(isinstance(child, str | int | float) for child in value):
            yield path, " ".join(map(str, value))
        for index, child in enumerate(value):
            name = child.get("name", index) if isinstance(child, dict) else index
            yield from _joined(child, f"{path}[{name}]")


def _last(path: str) -> str:
    """Return the word that stands before the value: the last key, or an element's name for its `value`."""
    words = [word for word in segments(path) if not word.isdigit()] or [path]
    return words[-2] if words[-1] == "value" and len(words) > 1 else words[-1]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(line: Line) -> str:
    """Return a line as a person may choose it, clean and on one row."""
    if line.source == "event":
        return clean(f"{line.place} {line.more}: {line.text}", LONGEST)
    return clean(f"{line.place}: {line.text}", LONGEST)
