"""`event`: something that the cluster has said, or must not say any more."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, EventCheck, Json, Objects
from grader.snapshot import CLIENT_PREFIX, Question
from grader.text import clean
from grader.times import age_of_event


def reads(check: Check, namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list of events."""
    return [_list(given(check, "event", check.event), namespaces)]


def look(check: Check, scene: Scene) -> Finding:
    """Find the events that are meant; the newest one tells the story."""
    wanted = given(check, "event", check.event)
    events = scene.snapshot.objects(_list(wanted, scene.namespaces))
    now = scene.cluster.now()
    events = [event for event in events if not _name(event).startswith(CLIENT_PREFIX)]
    found = [event for event in events if _meets(wanted, event) and _recent(wanted, age_of_event(event, now))]
    found.sort(key=lambda event: age_of_event(event, now))
    expected = f"{'an' if wanted.present else 'no'} event {_described(wanted)}"
    if found:
        observed = f"{_count(len(found))}, the newest {age_of_event(found[0], now):.0f} s ago: {_told(found[0])}"
        return verdict(wanted.present, observed, expected, [_told(event) for event in found[:4]])
    others = sorted((e for e in events if _about(wanted, e)), key=lambda event: age_of_event(event, now))
    newest = f"; the newest there: {_told(others[0])}" if others and wanted.present else ""
    return verdict(not wanted.present, f"no such event{newest}", expected, [f"no event {_described(wanted)}"])


def _list(wanted: EventCheck, namespaces: tuple[str, ...]) -> Objects:
    return Objects(kind="Event", namespace=wanted.namespace or (namespaces[0] if namespaces else "default"))


def _name(event: Json) -> str:
    return str((event.get("involvedObject") or {}).get("name", ""))


def _about(wanted: EventCheck, event: Json) -> bool:
    kind = (event.get("involvedObject") or {}).get("kind", "")
    return wanted.about in {"", kind} and (not wanted.name or fnmatchcase(_name(event), wanted.name))


def _meets(wanted: EventCheck, event: Json) -> bool:
    return (
        _about(wanted, event)
        and wanted.reason in {"", event.get("reason", "")}
        and wanted.type in {"", event.get("type", "")}
        and re.search(wanted.message_matches, str(event.get("message") or "")[:4096]) is not None
    )


def _recent(wanted: EventCheck, age: float) -> bool:
    return not wanted.within or age <= wanted.within


def _described(wanted: EventCheck) -> str:
    parts = [wanted.type, wanted.reason or "of any reason"]
    parts += [f"about {wanted.about or 'an object'} {wanted.name}".strip()] if wanted.about or wanted.name else []
    parts += [f"that says /{wanted.message_matches}/"] if wanted.message_matches else []
    parts += [f"in the last {wanted.within:g} s"] if wanted.within else []
    return clean(" ".join(part for part in parts if part))


def _told(event: Json) -> str:
    about = event.get("involvedObject") or {}
    times = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
    often = f" ({times} times)" if times > 1 else ""
    words = f"{about.get('kind', 'object')} {about.get('name', '?')}: {event.get('reason', '')}{often}"
    return clean(f"{words}: {event.get('message') or ''}")


def _count(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"
