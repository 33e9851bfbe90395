"""`cel`: an expression over several observed lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from grader.errors import ExpressionError, Refused, Undefined
from grader.evidence import told
from grader.expression import Expression, compile_expression
from grader.finding import Finding, Scene, verdict
from grader.model import Check, Json, Objects, Rendered
from grader.snapshot import Question, Snapshot
from grader.text import clean, named


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the observed lists."""
    return list(check.observe.values())


def look(check: Check, scene: Scene) -> Finding:
    """Evaluate; objects that lack what is asked for fail the check, with that as what was observed."""
    expression = compiled(check.cel or "", check.observe)
    expected = check.expected or check.about
    try:
        data = observe(check.observe, scene.snapshot, whole="managedFields" in expression.source + check.show)
    except Refused as refusal:
        return verdict(
            passed=False, observed=clean(refusal.message), expected=expected, mismatches=[clean(refusal.message)]
        )
    try:
        passed = expression.holds(data)
    except Undefined as gap:
        seen = f"{gap.message} on an object this check reads; found: {summary(data, check.observe)}"
        return verdict(passed=False, observed=clean(seen), expected=expected, mismatches=[clean(gap.message)])
    observed = _observed(check, data)
    return verdict(passed, observed, expected, observed.split("\n"))


def observe(wanted: Mapping[str, Question], snapshot: Snapshot, *, whole: bool = False) -> dict[str, list[Json]]:
    """Return the named lists an expression sees; raises as `Snapshot.raw` does."""
    return {name: snapshot.raw(q) if whole else snapshot.objects(q) for name, q in wanted.items()}


def compiled(source: str, names: Iterable[str]) -> Expression:
    """Compile once for all looks; raises `ExpressionError`."""
    return _compiled(source, tuple(sorted(names)))


@lru_cache(maxsize=512)
def _compiled(source: str, names: tuple[str, ...]) -> Expression:
    return compile_expression(source, names)


def _observed(check: Check, data: Mapping[str, list[Json]]) -> str:
    if not check.show:
        return summary(data, check.observe)
    try:
        value: Any = compiled(check.show, check.observe).value(data)
    except (Undefined, ExpressionError):
        # `show` words the evidence only: where it has no value, the plain summary stands in.
        return summary(data, check.observe)
    return told(value, check.show)


def summary(data: Mapping[str, list[Json]], wanted: Mapping[str, Question]) -> str:
    """Return what was observed in one line: `pods: 2 Pods (a, b); nodes: no Node`."""
    return clean("; ".join(f"{name}: {_counted(data[name], question)}" for name, question in wanted.items()))


def _counted(objects: list[Json], question: Objects | Rendered) -> str:
    kind = question.kind if isinstance(question, Objects) else "rendered object"
    if not objects:
        asked = f" with {question.selector}" if isinstance(question, Objects) and question.selector else ""
        place = f" in {question.namespace}" if isinstance(question, Objects) and question.namespace else ""
        return f"no {kind}{asked}{place}"
    return f"{len(objects)} {kind} ({named(objects, most=5)})"
