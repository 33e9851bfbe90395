"""`helm`: a release as Helm's own Secrets tell of it. No helm is run."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from grader.compare import differences
from grader.errors import GraderError
from grader.finding import Finding, Scene, given, verdict
from grader.model import Check, Helm, Json, Objects
from grader.snapshot import Question
from grader.text import clean, listed, shown

LARGEST = 16 * 1024 * 1024
"""Bytes a release may unpack to; a Secret holds one megabyte, but a bomb unpacks to any size."""

_GZIP = 16 + zlib.MAX_WBITS


def reads(check: Check, namespaces: tuple[str, ...]) -> list[Question]:
    """Return the release Secrets."""
    return [_list(given(check, "helm", check.helm), namespaces)]


def look(check: Check, scene: Scene) -> Finding:
    """Unpack the newest revision (and the older ones where values must not appear) and compare."""
    wanted = given(check, "helm", check.helm)
    found = scene.snapshot.objects(_list(wanted, scene.namespaces))
    revisions = sorted((s for s in found if _label(s, "name") == wanted.release), key=_number)
    if not revisions:
        names = sorted({_label(secret, "name") for secret in found})
        missing = f"no release `{wanted.release}`; found: {listed(names)}"
        return verdict(passed=False, observed=missing, expected=_expected(wanted), mismatches=[missing])
    newest = _unpacked(revisions[-1])
    bad = [*_differences(wanted, newest), *_leaks(wanted, revisions)]
    info, chart = newest.get("info") or {}, (newest.get("chart") or {}).get("metadata") or {}
    state = f"revision {newest.get('version')} is {info.get('status')} ({info.get('description') or 'no description'})"
    observed = clean(f"{wanted.release}: {state}, chart {chart.get('name')}-{chart.get('version')}")
    return verdict(not bad, "\n".join([observed, *bad[:3]]), _expected(wanted), bad)


def _list(wanted: Helm, namespaces: tuple[str, ...]) -> Objects:
    namespace = wanted.namespace or (namespaces[0] if namespaces else "default")
    return Objects(kind="Secret", namespace=namespace, selector="owner=helm")


def _label(secret: Json, name: str) -> str:
    return str((secret["metadata"].get("labels") or {}).get(name, ""))


def _number(secret: Json) -> int:
    text = _label(secret, "version")
    return int(text) if text.isdigit() else 0


def _unpacked(secret: Json) -> Json:
    """Return the release in a Secret; raises `GraderError` when that is not what it holds."""
    try:
        packed = base64.b64decode(base64.b64decode((secret.get("data") or {})["release"]))
        unpacker = zlib.decompressobj(_GZIP)
        # What is cut off here is no JSON any more.
        release: Any = json.loads(unpacker.decompress(packed, LARGEST))
    except (KeyError, ValueError, TypeError, zlib.error):
        name = clean(str(secret["metadata"].get("name")), 120)
        raise GraderError(f"the Secret {name} holds no Helm release that can be read") from None
    return release if isinstance(release, dict) else {}


def _differences(wanted: Helm, release: Json) -> list[str]:
    info, chart = release.get("info") or {}, (release.get("chart") or {}).get("metadata") or {}
    bad = []
    if info.get("status") != wanted.status:
        bad.append(f"status: observed {shown(info.get('status'), 80)}, expected {wanted.status}")
    if wanted.chart not in {"", chart.get("name"), f"{chart.get('name')}-{chart.get('version')}"}:
        bad.append(f"chart: observed {clean(str(chart.get('name')))}-{chart.get('version')}, expected {wanted.chart}")
    if int(release.get("version") or 0) < wanted.revision:
        bad.append(f"revision: observed {release.get('version')}, expected {wanted.revision} or a later one")
    if wanted.values is not None:
        bad += [f"values: {line}" for line in differences(wanted.values, release.get("config") or {})]
    if wanted.manifest_contains not in str(release.get("manifest") or ""):
        bad.append(f"the rendered manifest lacks {shown(wanted.manifest_contains, 120)}")
    return bad


def _leaks(wanted: Helm, revisions: list[Json]) -> list[str]:
    if not wanted.secret_free:
        return []
    kept = {_number(secret): json.dumps(_unpacked(secret).get("config") or {}) for secret in revisions}
    found = [str(number) for number, text in kept.items() if wanted.secret_free in text]
    # The text itself is not repeated: a report is shown to others.
    return [f"the values of revision {', '.join(found)} hold what must not be in them"] if found else []


def _expected(wanted: Helm) -> str:
    parts = [f"release {wanted.release} is {wanted.status}"]
    parts += [f"chart {wanted.chart}"] if wanted.chart else []
    parts += [f"revision {wanted.revision} or later"] if wanted.revision > 1 else []
    parts += [f"values have {shown(wanted.values, 160)}"] if wanted.values is not None else []
    parts += [f"manifest has {shown(wanted.manifest_contains, 120)}"] if wanted.manifest_contains else []
    return ", ".join([*parts, *(["no kept revision holds the secret"] if wanted.secret_free else [])])
