"""`match`: one object holds at least the given fields."""

from __future__ import annotations

from grader.compare import differences
from grader.errors import ExpressionError
from grader.finding import Finding, Scene, verdict
from grader.model import Check, Json, Objects
from grader.snapshot import Question
from grader.text import absence, shown, title


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the list that the object stands in."""
    return [_target(check)]


def look(check: Check, scene: Scene) -> Finding:
    """Compare the object with the partial one; a missing object is told with those that exist."""
    target, wanted = _target(check), _fields(check)
    expected = shown(wanted) if wanted else "exists"
    there = scene.snapshot.objects(target.model_copy(update={"name": ""}))
    if target.namespace is None:
        there = [obj for obj in there if obj["metadata"].get("namespace", "") in {"", *scene.namespaces}]
    found = next((obj for obj in there if obj["metadata"].get("name") == target.name), None)
    if found is None:
        place = target.namespace or ", ".join(scene.namespaces)
        missing = absence(target.kind, target.name, place, there)
        return verdict(
            passed=False, observed=missing, expected=f"{target.kind} `{target.name}`: {expected}", mismatches=[missing]
        )
    lines = differences(wanted, found)
    observed = "; ".join(lines[:3]) if lines else f"{title({'kind': target.kind, **found})} has every field"
    return verdict(not lines, observed, expected, lines)


def _partial(check: Check) -> Json:
    if check.match is None:
        raise ExpressionError(f"check `{check.id}` is no match check")
    return check.match.object


def _target(check: Check) -> Objects:
    wanted = _partial(check)
    meta = wanted.get("metadata") or {}
    if not wanted.get("kind") or not meta.get("name"):
        raise ExpressionError(
            f"check `{check.id}`: `match.object` needs `kind` and `metadata.name`",
            hint="use `cel` to look at several objects",
        )
    return Objects(
        kind=str(wanted["kind"]),
        api_version=str(wanted.get("apiVersion", "")),
        namespace=meta.get("namespace"),
        name=str(meta["name"]),
    )


def _fields(check: Check) -> Json:
    """Return what is compared: everything but what says which object it is."""
    wanted = _partial(check)
    fields = {key: value for key, value in wanted.items() if key not in {"kind", "apiVersion", "metadata"}}
    meta = {key: value for key, value in (wanted.get("metadata") or {}).items() if key not in {"name", "namespace"}}
    return {"metadata": meta, **fields} if meta else fields
