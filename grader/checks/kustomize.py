"""`kustomize`: what a folder of the learner's workspace renders to."""

from __future__ import annotations

from fnmatch import fnmatchcase

from grader.compare import differences
from grader.errors import Refused
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Json, Kustomize, Rendered
from grader.snapshot import Question
from grader.text import absence, clean, shown, title


def reads(check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return the rendering."""
    return [Rendered(kustomize=given(check, "kustomize", check.kustomize).folder)]


def look(check: Check, scene: Scene) -> Finding:
    """Compare the rendered object with the partial one."""
    wanted = given(check, "kustomize", check.kustomize)
    kind, name = str(wanted.object["kind"]), str(wanted.object["metadata"]["name"])
    expected = f"`{wanted.folder}` renders {kind} `{name}`: {shown(_fields(wanted.object)) or 'any'}"
    try:
        rendered = scene.snapshot.objects(Rendered(kustomize=wanted.folder))
    except Refused as refusal:
        words = clean(refusal.message, 600)
        return verdict(passed=False, observed=words, expected=expected, mismatches=[words])
    mine = [obj for obj in rendered if obj.get("kind") == kind]
    bad = _count(wanted, mine)
    named = [obj for obj in mine if fnmatchcase(str(obj["metadata"].get("name", "")), name)]
    if not named:
        bad.append(absence(kind, name, None, mine))
    else:
        # Of several generated ones the one that comes closest is the evidence.
        closest: list[str] = min((differences(_fields(wanted.object), obj) for obj in named), key=len)
        bad += closest
    observed = "\n".join(bad[:3]) if bad else f"{title(named[0])} has every field"
    return verdict(not bad, observed, expected, bad)


def _count(wanted: Kustomize, mine: list[Json]) -> list[str]:
    if wanted.count is None or wanted.count == len(mine):
        return []
    return [f"{len(mine)} rendered {wanted.object['kind']}, expected {wanted.count}"]


def _fields(wanted: Json) -> Json:
    meta = {key: value for key, value in wanted["metadata"].items() if key != "name"}
    fields = {key: value for key, value in wanted.items() if key not in {"kind", "metadata"}}
    return {**({"metadata": meta} if meta else {}), **fields}
