"""The fields of an object as paths: `spec.template.spec.containers[server].image`. Pure.

`clues.py` makes lines of them, `labs.coaching` compares them with what `managedFields` says. Not for writing objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from grader.model import Json

ANY = "*"
_SEGMENT = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of every scalar; elements of lists go by their `name`, else by their number."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, _below(path, str(key)))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            name = child.get("name") if isinstance(child, dict) else None
            yield from leaves(child, f"{path}[{name if isinstance(name, str) else index}]")
    else:
        yield path, value


def _below(path: str, key: str) -> str:
    """Return the path of a key; one with dots (`app.kubernetes.io/name`) stands in brackets and stays one segment."""
    if "." in key or "[" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def segments(path: str) -> tuple[str, ...]:
    """Return the parts of a path; brackets are parts of their own."""
    return tuple(bracket or word for bracket, word in _SEGMENT.findall(path))


def overlap(one: str, other: str) -> bool:
    """Whether one path leads to the other or below it; a number or `*` in a list meets every element."""
    first, second = segments(one), segments(other)
    return all(a == b or _loose(a) or _loose(b) for a, b in zip(first, second, strict=False))


def _loose(part: str) -> bool:
    return part == ANY or part.isdigit()


def managed(fields: Json) -> Iterator[str]:
    """Yield the paths that `fieldsV1` of an entry of `managedFields` holds."""
    yield from _managed(fields, "")


def _managed(fields: Json, path: str) -> Iterator[str]:
    inner = {key: child for key, child in fields.items() if key != "."}
    if not inner:
        if path:
            yield path
        return
    for key, child in inner.items():
        sign, _, rest = key.partition(":")
        if sign == "f":
            below = _below(path, rest)
        elif sign == "k":
            below = f"{path}[{_keyed(rest)}]"
        else:  # an element of a set, such as a finalizer: the list itself is what changed
            yield path
            continue
        yield from _managed(child if isinstance(child, dict) else {}, below)


def _keyed(text: str) -> str:
    try:
        name = json.loads(text).get("name")
    except (ValueError, AttributeError):
        name = None
    return name if isinstance(name, str) else ANY


def shorten(paths: list[str], most: int = 6) -> list[str]:
    """Return the paths, sorted, each once; many under one parent become that parent."""
    found = sorted(dict.fromkeys(paths))
    while len(found) > most:
        deepest = max(found, key=lambda p: len(segments(p)))
        parent = _parent(deepest)
        if not parent:
            return [*found[:most], f"… and {len(found) - most} more"]
        found = sorted(
            {parent, *(p for p in found if not (p == deepest or p.startswith((f"{parent}.", f"{parent}["))))}
        )
    return found


def _parent(path: str) -> str:
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else ""
