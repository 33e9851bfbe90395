"""Finds hints that contain the solution: its commands, its values, or lines of its files. Pure; `lint.py` calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from labs.course.models import Scenario

_READS = frozenset(
    {"get", "describe", "logs", "explain", "diff", "wait", "top", "auth", "exec", "port-forward", "kustomize", "events"}
)
_LONG = 12  # shorter lines (`env:`, `replicas: 2`) are in every manifest
_VALUE = re.compile(r"^[\w.-]+=\S+$")


def spoilers(scenario: Scenario) -> Iterator[tuple[int, str]]:
    """Yield line number and text of lines in `hints.md` that hold a part of the solution."""
    secrets = {*_commands(scenario), *_lines(scenario)}
    text = (scenario.folder / "hints.md").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        plain = _plain(line)
        given = next((s for s in sorted(secrets) if s in plain), None)
        if given:
            yield number, given


def _plain(text: str) -> str:
    return " ".join(text.replace("`", " ").replace("'", " ").replace('"', " ").split())


def _commands(scenario: Scenario) -> Iterator[str]:
    """What the solution types: the whole command, and values such as `HOST=0.0.0.0` or a patch."""
    for step in scenario.solution.file.steps:
        words = _without_namespace(step.command[1:])
        if not words or words[0] in _READS or words[:2] == ["rollout", "status"]:
            continue
        yield _plain(" ".join(words))
        for index, word in enumerate(words):
            if index and (_VALUE.match(word) and not word.startswith("-")):
                yield _plain(word)
            if word.startswith(("{", "[")):
                yield _plain(word)


def _without_namespace(words: tuple[str, ...]) -> list[str]:
    result: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in {"-n", "--namespace"}:
            skip = True
        elif not word.startswith(("--namespace=", "-n=")):
            result.append(word)
    return result


def _lines(scenario: Scenario) -> Iterator[str]:
    """Lines of the solution's files that the broken state does not have."""
    shipped = {line for folder in ("base", "broken", "workspace") for line in _of(scenario.folder / folder)}
    for line in _of(scenario.solution.folder):
        if line not in shipped and len(line) >= _LONG and not line.startswith("#"):
            yield line


def _of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and path.name != "fix.yaml":
            yield from (_plain(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
