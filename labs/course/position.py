"""YAML with line numbers: reads a file into plain values and remembers on which line every one of them stands.

`load.py`, `lint.py` and `labs.inject.manifests` call it. It knows nothing about scenarios; it only refuses what YAML
allows and a course file must not have: duplicate keys, keys that are no strings, aliases that blow up, custom tags.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from labs.errors import DataError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000
MAX_DEPTH = 60

Path_ = tuple[Hashable, ...]


class _PlainLoader(_Loader):  # type: ignore[misc]  # the C loader has no static type
    """The safe loader without dates: `2026-01-01` stays a string, as it does for kubectl."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        path: The file it comes from.
        value: Its content as plain values.
        lines: Path of keys and indices → line (1-based) where that entry begins.
    """

    path: Path
    value: Any
    lines: dict[Path_, int] = field(repr=False)

    def line(self, loc: Path_) -> int:
        """Return the line of `loc`; parts that are not in the file are passed over, the nearest parent answers."""
        here: Path_ = ()
        for part in loc:
            if (*here, part) in self.lines:
                here = (*here, part)
        return self.lines.get(here, 1)

    def where(self, loc: Path_ = ()) -> str:
        """Return `file:line` of `loc`."""
        return place(self.path, self.line(loc))


def place(path: Path, line: int | None = None) -> str:
    """Return `file:line` as an editor opens it: relative to the working folder where the file lies below it."""
    try:
        shown = path.relative_to(Path.cwd())
    except (ValueError, OSError):  # elsewhere, or the working folder is gone
        shown = path
    return f"{shown}:{line}" if line else str(shown)


def read_text(path: Path) -> str:
    """Return a small UTF-8 text file.

    Raises:
        DataError: It cannot be read, is too large or is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError("the file is missing", where=place(path), hint=f"create {path.name}") from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=place(path)) from None
    if len(raw) > MAX_BYTES:
        raise DataError(f"the file has {len(raw)} bytes, at most {MAX_BYTES} are read", where=place(path, 1))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError("the file is not UTF-8 text", where=place(path, line), hint="save it as UTF-8") from None


def read_documents(path: Path) -> list[Document]:
    """Return the documents of a file that are not empty.

    Raises:
        DataError: The file cannot be read or is not the YAML we take; `where` is the line.
    """
    return parse_documents(path, read_text(path))


def parse_documents(path: Path, text: str) -> list[Document]:
    """Return the documents in `text`; `path` is only named in errors."""
    documents: list[Document] = []
    loader = None
    try:
        loader = _PlainLoader(text)
        while loader.check_node():
            node = loader.get_node()
            reader = _Reader(path, loader)
            value = reader.read(node, ())
            if value is not None:
                documents.append(Document(path, value, reader.lines))
    except yaml.YAMLError as error:
        raise _syntax_error(path, error, text) from None
    finally:
        if loader is not None:
            loader.dispose()
    return documents


def read_document(path: Path) -> Document:
    """Return the only document of a file, which must be a mapping.

    Raises:
        DataError: As `read_documents`, and when there is none, more than one, or something else than a mapping.
    """
    documents = read_documents(path)
    if len(documents) != 1:
        said = "is empty" if not documents else f"holds {len(documents)} documents"
        line = documents[1].line(()) if len(documents) > 1 else 1
        raise DataError(f"the file {said}, one mapping is wanted", where=place(path, line))
    if not isinstance(documents[0].value, dict):
        raise DataError("`key: value` lines are wanted at the top of the file", where=documents[0].where())
    return documents[0]


class _Reader:
    """Turns composed nodes into values and lines, with bounds on size and depth."""

    def __init__(self, path: Path, loader: Any) -> None:
        self.path = path
        self.loader = loader
        self.lines: dict[Path_, int] = {}
        self.count = 0

    def read(self, node: yaml.Node, loc: Path_) -> Any:
        self.count += 1
        line = node.start_mark.line + 1
        if self.count > MAX_VALUES:
            raise self.error(f"more than {MAX_VALUES} values, aliases counted out", line, "write fewer `*alias` lines")
        if len(loc) > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels (an alias that holds itself?)", line)
        self.lines.setdefault(loc, line)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*loc, index)) for index, child in enumerate(node.value)]
        return self.scalar(node, line)

    def mapping(self, node: yaml.MappingNode, loc: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise self.error("merge keys (`<<`) are not taken", line, "write the keys out")
            key = self.scalar(key_node, line) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                shown = getattr(key_node, "value", "") if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                raise self.error(f"the key {shown} is not a string", line, f'write it in quotes: "{shown}"')
            if key in result:
                raise self.error(f"the key `{key}` is given twice", line, f"it stands on line {first[key]} too")
            first[key] = line
            self.lines[(*loc, key)] = line
            result[key] = self.read(value_node, (*loc, key))
        return result

    def scalar(self, node: yaml.Node, line: int) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            problem = getattr(error, "problem", None) or str(error)
            raise self.error(f"this value cannot be read: {problem}", line, "write it in quotes") from None
        if isinstance(value, str) and _CONTROL.search(value):
            raise self.error("a control character is in this value", line, "remove it: nobody could see it")
        return value

    def error(self, message: str, line: int, hint: str = "") -> DataError:
        return DataError(message, where=place(self.path, line), hint=hint)


def _syntax_error(path: Path, error: yaml.YAMLError, text: str) -> DataError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", "") or error).splitlines()[0]
    line = mark.line + 1 if mark is not None else 1
    lines = text.split("\n")
    hint = ""
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]:
        problem, hint = "a tab is used for indentation", "indent with spaces"
    elif "special characters are not allowed" in problem or "control characters" in problem:
        problem, hint = "a control character is in the file", "remove it"
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
    elif "mapping values are not allowed" in problem:
        hint = "a text with `: ` in it goes into quotes, or check the indentation"
    elif "found undefined alias" in problem or "cannot start any token" in problem:
        hint = "a text that begins with one of * & @ ` % goes into quotes"
    return DataError(f"not valid YAML: {problem}", where=place(path, line), hint=hint)
