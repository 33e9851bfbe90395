"""A cluster out of plain dictionaries, shipped for tests and for authors who want to try a check without a cluster.

It answers as `grader.live.LiveCluster` does, fails on demand, and counts what it was asked.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from grader import outage
from grader.cluster import (
    Acted,
    ExecAnswer,
    ExecRequest,
    HttpAnswer,
    HttpRequest,
    ImageFacts,
    LoadAnswer,
    LoadRequest,
    LogRequest,
    Machines,
    Repository,
)
from grader.errors import Refused, Unanswered
from grader.model import Access, Action, Json, Objects

Web = Callable[[HttpRequest], HttpAnswer]


@dataclass(slots=True)
class Inside:
    """What a fake cluster answers beyond lists, requests and access reviews; each may be exchanged between two looks.

    Attributes:
        logs: Pod, or `pod/container`, → its log; pods that are not there have none.
        run: Answers a command.
        admit: Returns the words of a refusal, or nothing.
        load: Answers a load.
        images: Reference → facts.
        repositories: Workspace folder → repository, or the words of a refusal.
        machines: Switches nodes off and on and breaks GPUs; default: a node that is off is not Ready, nor are the
            pods on it.
    """

    logs: Mapping[str, str] = field(default_factory=dict)
    run: Callable[[ExecRequest], ExecAnswer] = lambda _: ExecAnswer(0)
    admit: Callable[[Json], str] = lambda _: ""
    load: Callable[[LoadRequest], LoadAnswer] = lambda request: LoadAnswer(int(request.rate * request.seconds))
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    repositories: Mapping[str, Repository | str] = field(default_factory=dict)
    machines: Machines | None = None


class FakeCluster:
    """Objects, answers and access rules, all of which may be changed between two looks.

    Args:
        objects: Objects with `kind` and `metadata.name`.
        http: URL → answer, or a function; a URL that is not there does not resolve.
        access: Says whether a question is allowed; default: nothing is.
        rendered: Workspace folder → rendered objects, or the words of a refusal.
        inside: What it answers beyond that.
        now: The API server's time; default: this machine's.

    Attributes:
        objects: The objects, to be changed at will.
        inside: As given.
        failing: Reasons not to answer, by the question's first word (`read`, `allowed`, `http`, `load`, `logs`, `run`,
            `admit`, `image`, `act`, `repository`, `render`) or by `read KIND`, `act KIND`; each then raises
            `Unanswered`.
        asked: Counts every question: `read KIND NAMESPACE SELECTOR`, `allowed`, `http URL`, `render FOLDER`, ….
        closed: Whether `close` was called.
    """

    def __init__(
        self,
        objects: Iterable[Json] = (),
        *,
        http: Mapping[str, HttpAnswer] | Web | None = None,
        access: Callable[[Access], bool] = lambda _: False,
        rendered: Mapping[str, list[Json] | str] | None = None,
        inside: Inside | None = None,
        now: datetime | None = None,
    ) -> None:
        self.objects: list[Json] = [copy.deepcopy(obj) for obj in objects]
        self.failing: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.inside = inside or Inside()
        self.closed = False
        self.time = now
        self._http = http or {}
        self._access = access
        self._rendered = rendered or {}
        self._lock = Lock()

    def read(self, what: Objects) -> list[Json]:
        """Return copies of the objects that are asked for."""
        self._count(f"read {what.kind} {what.namespace or '*'} {what.selector}".strip(), "read", f"read {what.kind}")
        return [copy.deepcopy(obj) for obj in self.objects if _asked_for(obj, what)]

    def allowed(self, question: Access) -> tuple[bool, str]:
        """Return what the access rules say."""
        self._count("allowed", "allowed")
        return self._access(question), ""

    def http(self, request: HttpRequest) -> list[HttpAnswer]:
        """Return the answer `count` times."""
        self._count(f"http {request.url}", "http")
        if callable(self._http):
            return [self._http(request) for _ in range(request.count)]
        nobody = HttpAnswer(0, error="dns", message="Name or service not known")
        return [self._http.get(request.url, nobody)] * request.count

    def load(self, request: LoadRequest) -> LoadAnswer:
        """Return what becomes of the load."""
        self._count(f"load {request.url}", "load")
        return self.inside.load(request)

    def logs(self, request: LogRequest) -> str | None:
        """Return the end of the log."""
        self._count(f"logs {request.pod}", "logs")
        known = self.inside.logs
        text = known.get(f"{request.pod}/{request.container}", known.get(request.pod))
        return None if text is None else "\n".join(text.splitlines()[-request.tail :])

    def run(self, request: ExecRequest) -> ExecAnswer:
        """Return how the command ends."""
        self._count(f"run {request.pod}", "run")
        return self.inside.run(request)

    def admit(self, manifest: Json) -> tuple[bool, str]:
        """Return whether the object is admitted."""
        self._count(f"admit {manifest['kind']}", "admit")
        words = self.inside.admit(manifest)
        return not words, words

    def image(self, reference: str) -> ImageFacts | None:
        """Return what is known of an image."""
        self._count(f"image {reference}", "image")
        return self.inside.images.get(reference)

    def act(self, action: Action, namespace: str) -> Acted:
        """Do it to the objects: the deleted are gone, the scaled have other replicas, a drained node is cordoned.

        A killed node is not Ready, nor are the pods on it; one that loses a GPU has one less to give.
        """
        of = action.of if action.of.namespace else action.of.model_copy(update={"namespace": namespace})
        self._count(f"act {action.kind} {of.kind}", "act", f"act {action.kind}")
        found = [obj for obj in self.objects if _asked_for(obj, of)]
        if action.kind == "kill_node":
            machines = self.inside.machines or _Switch(self)
            return outage.kill(machines, outage.node_of(of, found, action.kind), self.read, sleep=lambda _: None)
        if action.kind == "lose_gpu":
            machines = self.inside.machines or _Switch(self)
            return outage.lose_gpu(machines, outage.node_of(of, found, action.kind), self.read, sleep=lambda _: None)
        if not found:
            raise Refused(" ".join(f"there is no {of.kind} {of.name or of.selector} to {action.kind}".split()))
        if action.kind == "delete":
            self.objects = [obj for obj in self.objects if obj not in found]
            return Acted(f"deleting {of.kind}")
        field_, value = {"scale": ("replicas", action.replicas), "drain": ("unschedulable", True)}.get(
            action.kind, ("restarted", True)
        )
        before = [obj.get("spec", {}).get(field_) for obj in found]
        for obj in found:
            obj.setdefault("spec", {})[field_] = value

        def undo() -> None:
            for obj, was in zip(found, before, strict=True):
                obj["spec"][field_] = was

        words = {"scale": f"scaling {of.kind}", "drain": "draining Node", "restart": f"restarting {of.kind}"}
        return Acted(words[action.kind], undo)

    def repository(self, folder: str, file: str, lacks: str) -> Repository:
        """Return the repository, or refuse; it must have been given with the file and finds that are asked for."""
        self._count(f"repository {folder} {file} {'searched' if lacks else ''}".strip(), "repository")
        found = self.inside.repositories.get(folder, f"there is no Git repository in `{folder}`")
        if isinstance(found, str):
            raise Refused(found)
        return found

    def render(self, folder: str, marked: str = "") -> list[Json]:
        """Return the rendered objects, or refuse; those with marks are given under `FOLDER marked OTHER`."""
        what = f"{folder} marked {marked}" if marked else folder
        self._count(f"render {what}", "render")
        found = self._rendered.get(what, f"no such folder: {what}")
        if isinstance(found, str):
            raise Refused(found)
        return copy.deepcopy(found)

    def now(self) -> datetime:
        """Return the time that was given, or this machine's."""
        return self.time or datetime.now(UTC)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def find(self, kind: str, name: str) -> Json:
        """Return an object itself, to be changed; KeyError when there is none."""
        for obj in self.objects:
            if obj["kind"] == kind and obj["metadata"]["name"] == name:
                return obj
        raise KeyError(f"{kind} {name}")

    def _count(self, question: str, *keys: str) -> None:
        with self._lock:
            self.asked[question] += 1
        for key in keys:
            if key in self.failing:
                raise Unanswered(self.failing[key])


@dataclass(slots=True)
class _Switch:
    """The power of a fake cluster's nodes."""

    cluster: FakeCluster

    def kill(self, node: str) -> None:
        """Nothing on it is Ready any more."""
        self._set(node, "Unknown")

    def start(self, node: str) -> None:
        """All of it is Ready again."""
        self._set(node, "True")

    def lose_gpu(self, node: str) -> None:
        """It has one GPU less to give."""
        self._add(node, -1)

    def return_gpu(self, node: str) -> None:
        """It has that one again."""
        self._add(node, 1)

    def _add(self, node: str, count: int) -> None:
        for obj in self.cluster.objects:
            if obj["kind"] == "Node" and obj["metadata"]["name"] == node:
                given = obj["status"]["allocatable"]
                given[outage.GPU] = str(int(given[outage.GPU]) + count)

    def _set(self, node: str, status: str) -> None:
        for obj in self.cluster.objects:
            on = obj["kind"] == "Pod" and (obj.get("spec") or {}).get("nodeName") == node
            if on or (obj["kind"] == "Node" and obj["metadata"]["name"] == node):
                for condition in (obj.get("status") or {}).get("conditions") or []:
                    if condition["type"] == "Ready":
                        condition["status"] = status


def _asked_for(obj: Json, what: Objects) -> bool:
    meta = obj["metadata"]
    return (
        obj["kind"] == what.kind
        and (not what.api_version or obj.get("apiVersion", "v1") == what.api_version)
        and (what.namespace is None or meta.get("namespace", "") in {"", what.namespace})
        and (not what.name or meta["name"] == what.name)
        and selected(what.selector, meta.get("labels") or {})
    )


_SET = re.compile(r"\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*")


def selected(selector: str, labels: Mapping[str, str]) -> bool:
    """Return whether labels meet a selector in kubectl's syntax (`a=b,c!=d,e in (f,g),h notin (i),j,!k`)."""
    return all(_meets(part, labels) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _meets(part: str, labels: Mapping[str, str]) -> bool:
    of_set = _SET.fullmatch(part)
    if of_set:
        key, verb, values = of_set.groups()
        among = labels.get(key) in {value.strip() for value in values.split(",")}
        return among if verb == "in" else not among
    key, sign, value = re.fullmatch(r"([^=!]*)(!=|==?|!?)(.*)", part.strip()).groups()  # type: ignore[union-attr]
    if sign == "!":
        return value.strip() not in labels
    if not sign:
        return key.strip() in labels
    return (labels.get(key.strip()) == value.strip()) == (sign != "!=")
