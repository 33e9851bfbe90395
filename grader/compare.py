"""Partial comparison of objects with a path for each difference, and reading a dotted path.

Used by checks and guards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from grader.quantity import parse
from grader.text import clean, listed, shown

MOST = 12
"""Differences told for one object; more would bury the first."""


class _Absent:
    """What a path leads to when there is nothing; unlike None, which a manifest can say."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()

# The API server writes these in more than one spelling; everywhere else `"8080"` and `8080` are different things.
_QUANTITY_PARENTS = frozenset({"requests", "limits", "hard", "used", "capacity", "allocatable", "default"})
_QUANTITY_PARENTS |= {"defaultRequest", "max", "min", "maxLimitRequestRatio", "overhead"}
_QUANTITY_KEYS = frozenset({"sizeLimit", "averageValue", "divisor"})

_STEP = re.compile(r"""\.?([^.\[\]"']+)|\[\s*(?:"([^"]*)"|'([^']*)'|(\d+)|([\w.-]+))\s*\]""")


def differences(wanted: Any, found: Any) -> list[str]:
    """Return one line for each place where `found` lacks what `wanted` says; empty when it has everything.

    Maps may hold more than wanted. Lists of maps with a `name` match by name; other lists match element by element and
    must have the wanted length. Quantities compare by value.
    """
    lines: list[str] = []
    for line in _walk(wanted, found, "", ""):
        if len(lines) == MOST:
            lines.append("… and more")
            break
        lines.append(line)
    return lines


def _walk(wanted: Any, found: Any, path: str, parent: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _walk(value, found.get(key, ABSENT), _join(path, key), path.rpartition(".")[2] or path)
    elif isinstance(wanted, list) and isinstance(found, list):
        by_name = bool(wanted) and all(isinstance(item, dict) and "name" in item for item in wanted)
        yield from (_by_name if by_name else _by_place)(wanted, found, path)
    elif not _same(wanted, found, path, parent):
        seen = "nothing" if found is ABSENT else shown(found, 160)
        yield f"{clean(path, 200) or 'value'}: observed {seen}, expected {shown(wanted, 160)}{_types(wanted, found)}"


def _by_name(wanted: list[Any], found: list[Any], path: str) -> Iterator[str]:
    there = {item.get("name"): item for item in found if isinstance(item, dict) and isinstance(item.get("name"), str)}
    for item in wanted:
        name = item["name"]
        if name in there:
            yield from _walk(item, there[name], f"{path}[{name}]", "")
        else:
            yield f"{path}: nothing named {shown(name, 80)}; found: {listed(map(str, there))}"


def _by_place(wanted: list[Any], found: list[Any], path: str) -> Iterator[str]:
    if len(wanted) != len(found):
        yield f"{path}: observed {len(found)} elements {shown(found, 120)}, expected {len(wanted)} {shown(wanted, 120)}"
        return
    for place, (want, have) in enumerate(zip(wanted, found, strict=True)):
        yield from _walk(want, have, f"{path}[{place}]", "")


def _same(wanted: Any, found: Any, path: str, parent: str) -> bool:
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if wanted is None and found is ABSENT:
        return True  # `field: null` is how an author says "not set"
    if _is_quantity(path, parent):
        left, right = parse(wanted), parse(found)
        if left is not None and right is not None:
            return left == right
    if isinstance(wanted, str) != isinstance(found, str):
        return False
    return bool(wanted == found)


def _is_quantity(path: str, parent: str) -> bool:
    return parent in _QUANTITY_PARENTS or path.rpartition(".")[2] in _QUANTITY_KEYS


def _types(wanted: Any, found: Any) -> str:
    if isinstance(wanted, (str, int)) and isinstance(found, (str, int)) and str(wanted) == str(found):
        return f" ({_type(found)}, not {_type(wanted)})"
    return ""


def _type(value: Any) -> str:
    names = {bool: "true/false", str: "text", int: "number"}
    return names.get(type(value), type(value).__name__)


def _join(path: str, key: str) -> str:
    step = f'["{key}"]' if re.search(r"[^\w-]", key) else key
    return f"{path}{step}" if step.startswith("[") or not path else f"{path}.{step}"


def steps(path: str) -> list[str | int]:
    """Split a dotted path: `spec.taints`, `data["config.yaml"]`, `spec.ports[0].port`.

    Raises:
        ValueError: It is not a path.
    """
    parts: list[str | int] = []
    place = 0
    for found in _STEP.finditer(path):
        if found.start() != place:
            break
        word, double, single, number, name = found.groups()
        parts.append(int(number) if number else next(x for x in (word, double, single, name) if x is not None))
        place = found.end()
    if not parts or place != len(path) or path.startswith("."):
        raise ValueError(f'`{path}` is not a path such as spec.taints or data["config.yaml"]')
    return parts


def fetch(obj: Any, path: str) -> Any:
    """Return what the dotted path leads to, or `ABSENT`. A word after a list picks the element of that name."""
    for step in steps(path):
        if isinstance(obj, list):
            obj = _pick(obj, step)
        elif isinstance(obj, dict) and step in obj:
            obj = obj[step]
        else:
            return ABSENT
    return obj


def _pick(items: list[Any], step: str | int) -> Any:
    if isinstance(step, int):
        return items[step] if step < len(items) else ABSENT
    return next((item for item in items if isinstance(item, dict) and item.get("name") == step), ABSENT)
