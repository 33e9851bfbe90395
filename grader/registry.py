"""Reads what an OCI registry tells of an image: manifest, configuration, and the SBOM that refers to it.

Used by `grader.live`. Reads only, and only from the registry it was given; what it signs in with stands in no error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import urllib3

from grader.cluster import ImageFacts
from grader.errors import ExpressionError, Unanswered
from grader.model import Json
from grader.text import clean

SECONDS = 5.0
MOST_BYTES = 8 * 1024 * 1024

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json,"
    "application/vnd.docker.distribution.manifest.v2+json,application/vnd.docker.distribution.manifest.list.v2+json"
)
_SBOMS = ("spdx", "cyclonedx")

_Get = Callable[[str, str], tuple[int, bytes, dict[str, str]]]


def read(address: str, reference: str, login: str = "") -> ImageFacts | None:
    """Return what the registry knows of an image, or None when it does not have it.

    Args:
        address: `host:port` of the registry, plain HTTP.
        reference: `registry.lab/name:tag` or `registry.lab/name@digest`; the host is not used.
        login: `user:password` where the registry asks for one.

    Raises:
        ExpressionError: It is no reference.
        Unanswered: The registry cannot be asked.
    """
    name, version = _split(reference)
    get = partial(_get, f"http://{address}/v2/{quote(name)}", login)
    manifest, digest = _manifest(get, version)
    if manifest is None:
        return None
    if manifest.get("manifests"):  # one image for each architecture: the first stands for all
        manifest, _ = _manifest(get, str(manifest["manifests"][0]["digest"]))
        manifest = manifest or {}
    config = _json(get, f"blobs/{(manifest.get('config') or {}).get('digest', '')}") or {}
    settings = config.get("config") or {}
    return ImageFacts(
        digest=digest,
        user=str(settings.get("User") or ""),
        size=sum(int(layer.get("size") or 0) for layer in manifest.get("layers") or []),
        labels={str(key): str(value) for key, value in (settings.get("Labels") or {}).items()},
        packages=_packages(get, digest),
    )


def _split(reference: str) -> tuple[str, str]:
    name = reference.partition("/")[2]
    if "@" in name:
        name, _, version = name.partition("@")
        return name.rpartition(":")[0] or name, version
    name, _, version = name.rpartition(":")
    if not name or not version:
        raise ExpressionError(f"`{clean(reference, 160)}` is not a reference such as registry.lab/name:1.0.0")
    return name, version


def _manifest(get: _Get, version: str) -> tuple[Json | None, str]:
    status, body, headers = get(f"manifests/{quote(version, safe=':')}", _MANIFESTS)
    if status == HTTPStatus.NOT_FOUND:
        return None, ""
    return _parsed(body), headers.get("Docker-Content-Digest", "")


def _packages(get: _Get, digest: str) -> tuple[str, ...] | None:
    """Return the packages of every SBOM that refers to the image, or None when there is none."""
    index = _json(get, f"referrers/{digest}") or _json(get, f"manifests/{digest.replace(':', '-')}") or {}
    names: list[str] = []
    found = False
    for entry in index.get("manifests") or []:
        if any(kind in str(entry.get("artifactType", "")) for kind in _SBOMS):
            manifest, _ = _manifest(get, str(entry.get("digest", "")))
            for layer in (manifest or {}).get("layers") or []:
                found = True
                names += _names(_json(get, f"blobs/{layer.get('digest', '')}") or {})
    return tuple(dict.fromkeys(names)) if found else None


def _names(sbom: Json) -> list[str]:
    parts: list[Any] = [*(sbom.get("packages") or []), *(sbom.get("components") or [])]  # SPDX, CycloneDX
    return [str(part.get("name")) for part in parts if isinstance(part, dict) and part.get("name")]


def _json(get: _Get, what: str) -> Json | None:
    status, body, _ = get(what, f"{_MANIFESTS},application/json")
    return None if status == HTTPStatus.NOT_FOUND else _parsed(body)


def _parsed(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError:
        raise Unanswered("the registry answers something else than JSON") from None
    return value if isinstance(value, dict) else {}


def _get(root: str, login: str, what: str, accept: str) -> tuple[int, bytes, dict[str, str]]:
    place = root.split("/")[2]
    headers = {"Accept": accept, **(urllib3.make_headers(basic_auth=login) if login else {})}
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False) as pool:
            raw = pool.request("GET", f"{root}/{what}", headers=headers, preload_content=False, redirect=False)
            body = raw.read(MOST_BYTES, decode_content=True)
            raw.release_conn()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unanswered(f"the registry at {place} cannot be reached: {clean(str(error), 160)}") from error
    if raw.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        raise Unanswered(f"the registry at {place} answered {raw.status}: {clean(body[:160].decode(errors='replace'))}")
    return int(raw.status), bytes(body), dict(raw.headers.items())
