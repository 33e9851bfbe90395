"""What one look saw: every distinct list is read once, however many checks and guards observe it.

Made by `grader.runner` for each look; read by checks, guards and `grader.settle`. Not for asking anything but lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from functools import partial
from threading import Lock

from grader.cluster import Cluster
from grader.model import Json, Objects, Rendered

Question = Objects | Rendered

PROBER_LABEL = "labs.io/prober"
"""Marks the grader's own client pods: no check, guard or snapshot sees them."""

CLIENT_PREFIX = "lab-client-"
"""How their names begin."""


class Snapshot:
    """One look at a cluster.

    Args:
        cluster: Whom to ask.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = Lock()
        self._lists: dict[Question, Future[list[Json]]] = {}

    def fetch(self, questions: Iterable[Question], pool: Executor) -> list[Future[Future[list[Json]]]]:
        """Begin to read the lists side by side; what fails is raised later, to each check that wants it."""
        return [pool.submit(self._read, question) for question in dict.fromkeys(map(_whole, questions))]

    def raw(self, question: Question) -> list[Json]:
        """Return objects as the cluster gave them.

        Raises:
            Unanswered: The cluster could not be asked.
            Refused: A kustomization could not be rendered.
        """
        objects = self._read(_whole(question)).result()
        if isinstance(question, Objects) and question.name:
            return [obj for obj in objects if obj["metadata"].get("name") == question.name]
        return objects

    def objects(self, question: Question) -> list[Json]:
        """Return objects without `managedFields`, which are half of their bulk; raises as `raw` does."""
        return [bare(obj) for obj in self.raw(question)]

    def seen(self) -> list[Json]:
        """Return every object of `lists`."""
        return [obj for objects in self.lists().values() for obj in objects]

    def lists(self) -> dict[Objects, list[Json]]:
        """Return every list read so far from the cluster, raw; those that failed are left out."""
        with self._lock:
            lists = [(q, done) for q, done in self._lists.items() if isinstance(q, Objects)]
        return {q: done.result() for q, done in lists if done.done() and not done.exception()}

    def again(self, question: Question) -> list[Json]:
        """Read a list anew, for evidence as young as what it explains; from now on it is what this look saw."""
        future: Future[list[Json]] = Future()
        _fill(future, partial(self._ask, _whole(question)))
        with self._lock:
            self._lists[_whole(question)] = future
        return [bare(obj) for obj in future.result()]

    def _read(self, question: Question) -> Future[list[Json]]:
        with self._lock:
            known = self._lists.get(question)
            future: Future[list[Json]] = known or Future()
            self._lists[question] = future
        if known is None:
            _fill(future, partial(self._ask, question))
        return future

    def _ask(self, question: Question) -> list[Json]:
        if isinstance(question, Rendered):
            return self._cluster.render(question.kustomize, question.marked)
        objects = self._cluster.read(question)
        return [obj for obj in objects if PROBER_LABEL not in (obj["metadata"].get("labels") or {})]


def bare(obj: Json) -> Json:
    """Return the object without `managedFields`."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def _whole(question: Question) -> Question:
    # One object is picked out of the list: it costs nothing more, is shared, and a missing name can be told with those
    # that exist.
    return question.model_copy(update={"name": ""}) if isinstance(question, Objects) and question.name else question


def _fill(future: Future[list[Json]], ask: Callable[[], list[Json]]) -> None:
    try:
        future.set_result(ask())
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to those who wait for this list
        future.set_exception(error)
