"""A cluster out of plain dictionaries, shipped for tests and for authors who want to try a check without a cluster.

It answers as `grader.live.LiveCluster` does, fails on demand, and counts what it was asked.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import Lock

from grader.cluster import HttpAnswer, HttpRequest
from grader.errors import Refused, Unanswered
from grader.model import Access, Json, Objects

Web = Callable[[HttpRequest], HttpAnswer]


class FakeCluster:
    """Objects, answers and access rules, all of which may be changed between two looks.

    Args:
        objects: Objects with `kind` and `metadata.name`.
        http: URL → answer, or a function; a URL that is not there does not resolve.
        access: Says whether a question is allowed; default: nothing is.
        rendered: Workspace folder → rendered objects, or the words of a refusal.
        now: The API server's time; default: this machine's.

    Attributes:
        objects: The objects, to be changed at will.
        failing: Reasons not to answer, by `read`, `read KIND`, `allowed`, `http` or `render`; each question then
            raises `Unanswered`.
        asked: Counts every question: `read KIND NAMESPACE SELECTOR`, `allowed`, `http URL`, `render FOLDER`.
        closed: Whether `close` was called.
    """

    def __init__(
        self,
        objects: Iterable[Json] = (),
        *,
        http: Mapping[str, HttpAnswer] | Web | None = None,
        access: Callable[[Access], bool] = lambda _: False,
        rendered: Mapping[str, list[Json] | str] | None = None,
        now: datetime | None = None,
    ) -> None:
        self.objects: list[Json] = [copy.deepcopy(obj) for obj in objects]
        self.failing: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
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

    def render(self, folder: str) -> list[Json]:
        """Return the rendered objects, or refuse."""
        self._count(f"render {folder}", "render")
        found = self._rendered.get(folder, f"no such folder: {folder}")
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
