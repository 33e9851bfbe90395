"""Words for people out of data from a cluster: cut to a sane length, control characters made visible, never markup.

Used by the checks, the guards and the report. Not for parsing anything.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from grader.model import Json

LINE = 300
BLOCK = 1200


def clean(text: str, limit: int = LINE) -> str:
    """Return `text` with control and direction characters escaped, cut to `limit` characters.

    A learner can put anything into an annotation; escape sequences and right-to-left marks must not reach a terminal.
    """
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(_visible(character) for character in cut)


def clean_lines(text: str, limit: int = BLOCK) -> str:
    """Return `text` as `clean` does, but with its lines kept."""
    return "\n".join(clean(line) for line in text[:limit].split("\n"))


def _visible(character: str) -> str:
    if character == " " or character.isprintable():
        return character
    if unicodedata.category(character) in {"Zs", "Zl", "Zp"}:
        return " "
    return character.encode("unicode_escape").decode("ascii")


def shown(value: Any, limit: int = LINE) -> str:
    """Return a JSON value in one line; strings stand as they are, without quotes."""
    if isinstance(value, str):
        return clean(value, limit) if value else '""'
    # What a huge value would cost to write out is spent before the cut; a rough cut of long lists keeps it small.
    return clean(json.dumps(_short(value), ensure_ascii=False, default=str), limit)


def _short(value: Any, depth: int = 0) -> Any:
    most = 40
    if isinstance(value, dict):
        return {str(k): _short(v, depth + 1) for k, v in list(value.items())[:most]} if depth < most else "…"
    if isinstance(value, (list, tuple)):
        return [_short(v, depth + 1) for v in value[:most]] if depth < most else "…"
    return value[: LINE * 4] if isinstance(value, str) else value


def title(obj: Json) -> str:
    """Return `Kind namespace/name` of an object."""
    meta = obj.get("metadata") or {}
    name = str(meta.get("name", "?"))
    place = f"{meta['namespace']}/{name}" if meta.get("namespace") else name
    return clean(f"{obj.get('kind') or 'object'} {place}")


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names in one line, `none` when there are none, with a count for those left out."""
    all_names = [clean(name, 120) for name in names]
    if not all_names:
        return "none"
    rest = len(all_names) - most
    return ", ".join(all_names[:most]) + (f" and {rest} more" if rest > 0 else "")


def named(objects: Sequence[Json], most: int = 8) -> str:
    """Return the names of objects in one line; with the namespace where they come from several."""
    metas = [obj.get("metadata") or {} for obj in objects]
    several = len({meta.get("namespace") for meta in metas}) > 1
    return listed(
        (
            f"{meta['namespace']}/{meta.get('name', '?')}"
            if several and meta.get("namespace")
            else str(meta.get("name", "?"))
            for meta in metas
        ),
        most,
    )


def absence(kind: str, name: str, namespace: str | None, there: Sequence[Json]) -> str:
    """Return the sentence for a named object that does not exist, with the names of those that do."""
    place = f" in {namespace}" if namespace else ""
    return f"no {kind} `{clean(name, 120)}`{place}; found: {named(there)}"
