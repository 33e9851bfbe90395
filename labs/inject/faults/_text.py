"""Changes YAML as text, so that comments and order stay: for the faults over files of the learner; no fault of its own.

A place in a file is a path of keys and numbers, the document's number first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from labs.errors import DataError

Place = tuple[str | int, ...]


def text_of(files: dict[str, str], name: str) -> str:
    """Return a file's text.

    Raises:
        DataError: The workspace has no such file.
    """
    if name not in files:
        known = ", ".join(sorted(files)) or "nothing"
        raise DataError(f"the workspace has no file `{name}`", hint=f"there is {known}")
    return files[name]


def documents(text: str) -> list[Any]:
    """Return the file's documents as plain values.

    Raises:
        DataError: It is no YAML.
    """
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise DataError(f"the file is no YAML: {error}") from None


def workloads(text: str) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the documents that have a pod template."""
    for number, value in enumerate(documents(text)):
        if isinstance(value, dict) and isinstance((value.get("spec") or {}).get("template"), dict):
            yield number, value


def put(text: str, place: Place, value: Any) -> str:
    """Return the text with another value at a place that holds one, written on one line."""
    node = _node(text, place)
    return text[: node.start_mark.index] + flow(value) + text[_end(node) :]


def insert(text: str, place: Place, key: str, value: Any) -> str:
    """Return the text with a new first key in the mapping at a place; the key must not be there."""
    node = _node(text, place)
    begin = node.start_mark.index
    if node.flow_style:
        return f"{text[: begin + 1]}{key}: {flow(value)}, {text[begin + 1 :]}"
    return f"{text[:begin]}{key}: {flow(value)}\n{' ' * node.start_mark.column}{text[begin:]}"


def flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    written = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return written.removesuffix("\n...\n").strip()


def _node(text: str, place: Place) -> Any:
    number, *path = place
    node: Any = list(yaml.compose_all(text, Loader=yaml.SafeLoader))[int(number)]
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next(v for k, v in node.value if k.value == part)
        else:
            node = node.value[part]
    return node


def _end(node: Any) -> int:
    """Return where a node ends; a block's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)
