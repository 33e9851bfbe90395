"""What of an object the learner changed, by its `managedFields`. Pure; `coach.py` and `nearmiss.py` ask it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from grader.model import Json
from labs.attempts.fieldpaths import managed

_TOOLS = ("kubectl", "helm", "k9s", "oc", "lens")
"""Programs of people; everything else in `managedFields` may be a controller, so it is not taken for the learner."""


def entries(obj: Json, since: datetime) -> Iterator[tuple[datetime, str, str, list[str]]]:
    """Yield time, manager, subresource and paths of what people changed since a moment, oldest first."""
    found = []
    for entry in obj["metadata"].get("managedFields") or []:
        manager, at = str(entry.get("manager", "")), _time(entry.get("time"))
        # `managedFields` knows whole seconds only.
        if at is None or at < since - timedelta(seconds=1) or not manager.lower().startswith(_TOOLS):
            continue
        paths = list(managed(entry.get("fieldsV1") or {}))
        found.append((at, manager, str(entry.get("subresource", "")), paths))
    yield from sorted(found, key=lambda item: item[0])


def fields(obj: Json, since: datetime) -> list[str]:
    """Return the paths that people changed since a moment, without bookkeeping."""
    paths = [path for _, _, _, found in entries(obj, since) for path in found]
    return [path for path in dict.fromkeys(paths) if not _bookkeeping(path)]


def _bookkeeping(path: str) -> bool:
    return "last-applied-configuration" in path or path.endswith("[kubernetes.io/change-cause]")


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
