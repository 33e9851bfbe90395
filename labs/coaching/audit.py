"""The API server's audit log, read for what the learner wrote. `coach.py` calls it; the policy is the provider's.

Writes of the lab itself, of the system and of controllers, dry runs and refused requests are left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labs.attempts.naming import Named, kind_of

MOST_BYTES = 16 * 1024 * 1024
"""Read from the end of a log, at most; that is days of a learner's work."""

VERBS = {"create": "create", "update": "update", "patch": "patch", "delete": "delete", "deletecollection": "delete"}
_SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "lab-system")
_NOT_WRITES = frozenset({"exec", "attach", "portforward", "proxy", "log", "token", "binding"})
_NOT_LEARNERS = ("system:", "lab:")
_OURS = ("labs", "python-httpx", "OpenAPI-Generator")
_GONE_WRONG = 400
_STAMP = b'"requestReceivedTimestamp":"'


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changed something.

    Attributes:
        at: When the API server got it (UTC).
        verb: `create`, `update`, `patch` or `delete`.
        object: What was changed; the name is `*` for several at once.
        subresource: `status`, `scale`, `eviction`, or empty.
        agent: Program, such as `kubectl`.
    """

    at: datetime
    verb: str
    object: Named
    subresource: str = ""
    agent: str = ""


def read(log: Path, since: datetime) -> list[Write]:
    """Return what learners wrote since a moment, oldest first; nothing where the log cannot be read."""
    found: list[Write] = []
    for path in _files(log, since):
        try:
            found += [w for w in _writes(_recent(_tail(path), since)) if w.at >= since]
        except OSError:
            continue
    return sorted(found, key=lambda w: w.at)


def _files(log: Path, since: datetime) -> list[Path]:
    """Return the log and the rotated ones (`audit-<time>.log`) that may reach into the time asked for."""
    rotated = sorted(log.parent.glob(f"{log.stem}-*{log.suffix}"))
    return [p for p in (*rotated, log) if p.is_file() and p.stat().st_mtime >= since.timestamp() - 1]


def _tail(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        if size > MOST_BYTES:
            file.readline()  # the rest of a line that was cut
        yield from file


def _recent(rows: Iterable[bytes], since: datetime) -> Iterator[bytes]:
    """Leave out, before anything is parsed, what is too old or the lab's own: that is nearly all of a log."""
    begin = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
    for row in rows:
        at = row.rfind(_STAMP) + len(_STAMP)
        if row[at : at + len(begin)] >= begin and b'"userAgent":"labs' not in row:
            yield row


def _writes(rows: Iterable[bytes]) -> Iterator[Write]:
    for row in rows:
        if not row.endswith(b"}\n"):
            continue  # it is being written
        try:
            found = _write(json.loads(row))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if found is not None:
            yield found


def _write(event: dict[str, Any]) -> Write | None:
    verb, ref = VERBS.get(event["verb"]), event.get("objectRef") or {}
    agent = str(event.get("userAgent", ""))
    if verb is None or not ref.get("resource") or str(event["user"].get("username", "")).startswith(_NOT_LEARNERS):
        return None
    if agent.startswith(_OURS) or ref.get("namespace", "") in _SYSTEM or "dryRun=" in event.get("requestURI", ""):
        return None
    sub = str(ref.get("subresource", ""))
    if sub in _NOT_WRITES or int((event.get("responseStatus") or {}).get("code") or 0) >= _GONE_WRONG:
        return None
    if sub == "eviction":
        verb = "delete"
    named = Named(kind_of(ref["resource"]), str(ref.get("name") or "*"), str(ref.get("namespace") or ""))
    at = datetime.fromisoformat(event["requestReceivedTimestamp"])
    return Write(at, verb, named, sub, agent.partition("/")[0])
