"""When objects were made and changed, by their own words. Used by `grader.settle` and `grader.definite`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from grader.model import Json


def changes(obj: Json, *, status: bool) -> Iterator[datetime]:
    """Yield when an object was made and changed.

    Args:
        obj: The object, with its `managedFields`.
        status: Whether changes of its status count: a heartbeat or a restart is none of the object itself.
    """
    meta = obj["metadata"]
    yield from times(meta.get("creationTimestamp"))
    for entry in meta.get("managedFields") or []:
        if status or entry.get("subresource") != "status":
            yield from times(entry.get("time"))


def age_of(moments: Iterable[datetime], now: datetime) -> float:
    """Return the seconds since the newest moment, infinite when there is none."""
    newest = max(moments, default=None)
    return max((now - newest).total_seconds(), 0.0) if newest else float("inf")


def age_of_event(event: Json, now: datetime) -> float:
    """Return the seconds since an event was seen last."""
    series = event.get("series") or {}
    seen = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return age_of(times(*seen), now)


def times(*texts: object) -> Iterator[datetime]:
    """Yield those that are times, in UTC."""
    yield from (time for time in map(_time, texts) if time is not None)


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time
