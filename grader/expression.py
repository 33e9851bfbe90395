"""CEL expressions: compiled without a cluster, evaluated on observed lists within bounds.

Used by the `cel` check, the guards and lint.

Bounds. A source has at most 4 KiB, and the library itself limits nesting. Before each evaluation an upper bound of its
steps is worked out from the nesting of its macros and the longest list it sees. Cheap ones run here; all others run in
a child process that is killed at the deadline, because the library cannot be interrupted. So no expression holds a
grade for longer than `DEADLINE`.

Not for: reading objects (`grader.snapshot`), wording verdicts (`grader.checks.cel`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import cel_engine
from grader.cel_engine import Answer
from grader.errors import ExpressionError, Unanswered, Undefined

MOST_BYTES = 4096
CHEAP_STEPS = 150_000
"""Steps that are evaluated here: well below a second, and a process of its own costs a tenth of one."""
DEADLINE = 5.0
"""Seconds an expression may take."""

_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_STRING = re.compile(r"""[rR]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""")
_TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
_FUNCTIONS = frozenset(
    {"bool", "bytes", "contains", "double", "duration", "dyn", "endsWith", "getDate", "getDayOfMonth", "getDayOfWeek"}
    | {"getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds", "int"}
    | {"matches", "size", "startsWith", "string", "timestamp", "type", "uint"}
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; make it with `compile_expression`.

    Attributes:
        source: The text.
        program: The library's program.
        depth: How deep its macros are nested.
        width: Factor by which the expression itself makes lists longer.
        macros: Number of macros.
    """

    source: str
    program: Any
    depth: int
    width: int
    macros: int

    def value(self, data: Mapping[str, Any]) -> Any:
        """Evaluate on named lists of objects.

        Raises:
            ExpressionError: The expression is wrong, or took longer than `DEADLINE`.
            Undefined: The objects lack what it asks for.
            Unanswered: No process could be started for an expensive expression.
        """
        answer = cel_engine.run(self.program, dict(data)) if self._steps(data) <= CHEAP_STEPS else self._apart(data)
        if "error" not in answer:
            return answer["value"]
        if answer["error"] == "author":
            raise ExpressionError(f"{answer['message']}, in `{self.source}`", hint=_HINT)
        raise Undefined(answer["message"])

    def holds(self, data: Mapping[str, Any]) -> bool:
        """Evaluate an expression that must be true or false; raises as `value` does, and for any other value."""
        value = self.value(data)
        if not isinstance(value, bool):
            raise ExpressionError(f"`{self.source}` yields {type(value).__name__}, not true or false", hint=_HINT)
        return value

    def _steps(self, data: Mapping[str, Any]) -> int:
        if not self.depth:
            return 0
        longest = max((_longest(value) for value in data.values()), default=0)
        return int(self.macros * (max(longest, 1) * self.width) ** self.depth)

    def _apart(self, data: Mapping[str, Any]) -> Answer:
        task = json.dumps({"source": self.source, "data": data})
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(Path(cel_engine.__file__))],
                input=task,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._too_expensive() from None
        except OSError as error:
            raise Unanswered(f"no process for an expensive expression: {error}") from error
        if done.returncode != 0:  # killed by its own limit on memory or processor time
            raise self._too_expensive()
        answer: Answer = json.loads(done.stdout)
        return answer

    def _too_expensive(self) -> ExpressionError:
        return ExpressionError(
            f"the expression is too expensive for these lists (more than {DEADLINE:.0f} s): `{self.source}`",
            hint="narrow the lists with a namespace or selector, or nest fewer macros",
        )


_HINT = "this is a mistake in the scenario, not in your work: no points are lost; please report it"


def compile_expression(source: str, names: Iterable[str]) -> Expression:
    """Compile an expression that may use the given names.

    Args:
        source: CEL source.
        names: Names of the observed lists.

    Raises:
        ExpressionError: It is too long, has a syntax error, or uses a name or function that does not exist.
    """
    if len(source.encode()) > MOST_BYTES:
        raise ExpressionError(f"the expression has more than {MOST_BYTES} bytes", hint="split the check in two")
    try:
        program = cel_engine.library().compile(source)
    except Exception as error:  # noqa: BLE001 - the library raises several kinds, each means that the source is wrong
        raise ExpressionError(_syntax(str(error), source), hint="see https://cel.dev for the language") from None
    bare = _STRING.sub('""', source)
    loops = {name for _, name in _MACRO.findall(bare)}
    macros = len(_MACRO.findall(bare))
    _known("name", set(program.variables()) - loops - _TYPES, names)
    _known("function", {f for f in program.functions() if f[0].isalpha() and f not in _FUNCTIONS}, _FUNCTIONS)
    return Expression(
        source=source,
        program=program,
        depth=_depth(bare),
        # `+` joins lists, commas beyond the macros' own write lists out: both make longer ones than those observed.
        width=(1 + bare.count("+")) * (1 + max(bare.count(",") - macros, 0)),
        macros=macros,
    )


def _known(what: str, unknown: set[str], known: Iterable[str]) -> None:
    known = sorted(known)
    left = sorted(unknown - set(known))
    if left:
        raise ExpressionError(f"unknown {what} `{left[0]}`", hint=f"known: {', '.join(known) or 'none'}")


def _syntax(message: str, source: str) -> str:
    # "Failed to parse expression '…': ERROR: <input>:1:4: Syntax error: …" – the place and the words are what helps.
    found = re.search(r"<input>:(\d+):(\d+):\s*(.*)", message)
    if found is None:
        return f"the expression does not compile: `{source}`"
    line, column, words = found.groups()
    return f"line {line}, column {column}: {words}"


def _depth(bare: str) -> int:
    """Return how deep the macros of a source without strings are nested."""
    opens = {found.end(1) + bare[found.end(1) :].index("(") for found in _MACRO.finditer(bare)}
    stack: list[bool] = []
    deepest = 0
    for place, character in enumerate(bare):
        if character == "(":
            stack.append(place in opens)
            deepest = max(deepest, sum(stack))
        elif character == ")" and stack:
            stack.pop()
    return deepest


def _longest(value: Any) -> int:
    if isinstance(value, dict):
        return max(len(value), max((_longest(item) for item in value.values()), default=0))
    if isinstance(value, list):
        return max(len(value), max((_longest(item) for item in value), default=0))
    return 1
