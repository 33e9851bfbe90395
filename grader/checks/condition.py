"""`condition`: a status condition of one object, or of every object a selector picks."""

from __future__ import annotations

from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Condition, Json
from grader.snapshot import Question
from grader.text import absence, clean, title


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list the objects stand in."""
    return [given(check, "condition", check.condition).of]


def look(check: Check, scene: Scene) -> Finding:
    """Compare the condition of each object; none at all fails."""
    wanted = given(check, "condition", check.condition)
    reason = f" with reason {wanted.reason}" if wanted.reason else ""
    expected = f"{wanted.type} is {wanted.status}{reason}"
    objects = scene.snapshot.objects(wanted.of)
    if not objects:
        missing = _missing(wanted, scene)
        return verdict(passed=False, observed=missing, expected=expected, mismatches=[missing])
    said = [(obj, _condition(obj, wanted.type)) for obj in objects]
    bad = [_told(wanted, obj, condition) for obj, condition in said if not _meets(wanted, condition)]
    good = [_told(wanted, obj, condition) for obj, condition in said if _meets(wanted, condition)]
    return verdict(not bad, "; ".join((bad or good)[:3]), expected, bad)


def _condition(obj: Json, kind: str) -> Json | None:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == kind), None)


def _meets(wanted: Condition, condition: Json | None) -> bool:
    if condition is None:
        return False
    return condition.get("status") == wanted.status and wanted.reason in {"", condition.get("reason", "")}


def _told(wanted: Condition, obj: Json, condition: Json | None) -> str:
    about = title({"kind": wanted.of.kind, **obj})
    if condition is None:
        return f"{about} has no condition {wanted.type}"
    why = ": ".join(part for part in (condition.get("reason", ""), condition.get("message", "")) if part)
    return clean(f"{about}: {wanted.type} is {condition.get('status')}{f' ({why})' if why else ''}")


def _missing(wanted: Condition, scene: Scene) -> str:
    of = wanted.of
    if of.name:
        there = scene.snapshot.objects(of.model_copy(update={"name": ""}))
        return absence(of.kind, of.name, of.namespace, there)
    place = f" in {of.namespace}" if of.namespace else ""
    return f"no {of.kind}{f' with {of.selector}' if of.selector else ''}{place}"
