"""Frees objects whose finalizers wait for controllers that never come, so that stop and reset do not wait with them.

Called by `remove.py` for what a namespace is left with, and by `restore.py` for what it deletes. Not for objects that
stay: their finalizers are part of the task.
"""

from __future__ import annotations

from collections.abc import Iterable

from grader.model import Json
from labs.inject.api import Api
from labs.inject.normal import normal


def free(api: Api, objects: Iterable[Json]) -> None:
    """Take the finalizers off raw objects that are to go; Kubernetes' own stay, as their controllers come."""
    api.together(lambda o: _take(api, o), [o for o in objects if normal(o)["metadata"].get("finalizers")])


def _take(api: Api, obj: Json) -> None:
    theirs = set(normal(obj)["metadata"]["finalizers"])
    kept = [f for f in obj["metadata"]["finalizers"] if f not in theirs]
    api.merge(obj, {"metadata": {"finalizers": kept or None}})
