"""A Helm release was interrupted while it was changed (F78): Helm refuses to touch it again.

A release is a Secret that Helm keeps, one for each revision; the scenario's manifests bring it.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Literal

from grader.model import Json, Spec
from labs.errors import DataError

NUMBER = 78
SYMPTOM = "helm: another operation (install/upgrade/rollback) is in progress"
_TYPE = "helm.sh/release.v1"


class Params(Spec):
    """What a scenario says in `with`.

    Attributes:
        release: Name of the release.
        status: Where it was interrupted.
        namespace: Its namespace, where the name alone does not say.
    """

    release: str
    status: Literal["pending-install", "pending-upgrade", "pending-rollback"] = "pending-upgrade"
    namespace: str = ""


def transform(manifests: list[Json], params: Params) -> None:
    """Change the status of the newest revision in place, in the label and in the record."""
    revisions = [m for m in manifests if _is_of(m, params)]
    if not revisions:
        raise DataError(f"the manifests have no release `{params.release}` (a Secret of type {_TYPE})")
    newest = max(revisions, key=lambda m: int(m["metadata"]["labels"]["version"]))
    newest["metadata"]["labels"]["status"] = params.status
    for field in ("data", "stringData"):
        if "release" in (newest.get(field) or {}):
            newest[field]["release"] = _with_status(newest[field]["release"], params.status, twice=field == "data")


def _is_of(manifest: Json, params: Params) -> bool:
    meta = manifest["metadata"]
    here = params.namespace in {"", meta.get("namespace", "")}
    return manifest.get("type") == _TYPE and here and (meta.get("labels") or {}).get("name") == params.release


def _with_status(record: str, status: str, *, twice: bool) -> str:
    """Return a record, which is base64 of gzip of JSON (`twice`: that in base64 once more), with another status."""
    packed = base64.b64decode(base64.b64decode(record) if twice else record)
    release = json.loads(gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed)
    if release["info"]["status"] == status:
        return record
    release["info"]["status"] = status
    again = base64.b64encode(gzip.compress(json.dumps(release).encode(), mtime=0))
    return (base64.b64encode(again) if twice else again).decode()
