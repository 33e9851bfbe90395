"""`dry_run`: an object that the API server must admit or refuse, without storing it."""

from __future__ import annotations

from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Json
from grader.snapshot import Question
from grader.text import clean, title


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: it asks for an admission."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Ask, and compare the answer; a refusal must be for the right reason."""
    wanted = given(check, "dry_run", check.dry_run)
    manifest = _placed(wanted.manifest, scene.namespaces)
    admitted, words = scene.cluster.admit(manifest)
    about = title(manifest)
    observed = f"{about} is {'admitted' if admitted else 'refused'}{f': {clean(words, 400)}' if words else ''}"
    reason = f" with a reason that says {clean(wanted.message_contains, 120)}" if wanted.message_contains else ""
    expected = f"{about} is {'admitted' if wanted.admitted else f'refused{reason}'}"
    right = admitted == wanted.admitted and (admitted or wanted.message_contains in words)
    return verdict(right, observed, expected, [observed])


def _placed(manifest: Json, namespaces: tuple[str, ...]) -> Json:
    meta: Json = manifest["metadata"]
    if "namespace" in meta or not namespaces:
        return manifest
    return {**manifest, "metadata": {**meta, "namespace": namespaces[0]}}
