"""Words for what a check's `show` expression yields: lists and maps as a person would write them down.

Used by `grader.checks.cel`. One element needs no brackets, a list of maps is a line of `key=value` for each, and a bare
truth value says yes or no. Everything is cut to a sane length and carries no control characters.
"""

from __future__ import annotations

from typing import Any

from grader.text import LINE, clean

MOST_LINES = 8
MOST_ITEMS = 40
MOST_DEPTH = 12

_NAMES = frozenset({"kind", "name", "pod", "node", "namespace"})
"""Say what the rest is about, so they come first."""


def told(value: Any, source: str = "") -> str:
    """Return a JSON value in a few lines.

    Args:
        value: What was yielded. Maps come in any order.
        source: The expression: what it names is told in its order, everything else in that of the alphabet.
    """
    lines = _lines(_unwrapped(value, source))
    rest = len(lines) - MOST_LINES
    shown = [clean(line, LINE) for line in lines[:MOST_LINES]]
    return "\n".join([*shown, f"… and {rest} more"] if rest > 0 else shown)


def _unwrapped(value: Any, source: str, depth: int = 0) -> Any:
    """Return the value without lists of one element, at any depth; what is too deep or too much is cut."""
    if depth > MOST_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: _rank(str(item[0]), source))[:MOST_ITEMS]
        return {str(key): _unwrapped(each, source, depth + 1) for key, each in items}
    if isinstance(value, list | tuple):
        found = [_unwrapped(each, source, depth + 1) for each in value[:MOST_ITEMS]]
        return found[0] if len(found) == 1 else found
    return value


def _rank(key: str, source: str) -> tuple[int, bool, str]:
    place = source.find(f'"{key}"')
    return (place if place >= 0 else len(source), key not in _NAMES, key)


def _lines(value: Any) -> list[str]:
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [_line(item) for item in value]
    if isinstance(value, dict) and any(isinstance(item, dict) or _nested(item) for item in value.values()):
        return [line for key, item in value.items() for line in _under(key, item)]
    return [_line(value)]


def _under(key: str, value: Any) -> list[str]:
    """Return a part of a map that has parts itself: its name, then what it is, each element on a line of its own."""
    if _nested(value):
        return [f"{key}: {_line(item)}" for item in value]
    return [f"{key}: {_line(value)}"]


def _nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _line(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(_pairs(value, "")) or "nothing set"
    if isinstance(value, list):
        return ", ".join(_line(item) for item in value) or "none"
    return _scalar(value)


def _pairs(value: dict[str, Any], path: str) -> list[str]:
    pairs: list[str] = []
    for key, item in value.items():
        name = f"{path}{key}"
        if isinstance(item, dict) and item:
            pairs += _pairs(item, f"{name}.")
        elif isinstance(item, list):
            pairs.append(f"{name}=[{', '.join(map(_inner, item))}]" if item else f"{name}=none")
        else:
            pairs.append(f"{name}={_inner(item)}")
    return pairs


def _inner(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(_pairs(value, ''))}}}" if value else "nothing"
    return f"[{', '.join(map(_inner, value))}]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    # What a huge text would cost to clean is spent before the cut.
    return str(value)[: LINE * 4] or '""'
