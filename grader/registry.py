"""Reads what an OCI registry tells of an image: manifest, configuration, and the SBOM that refers to it.

Used by `grader.live`. Reads only, and only from the one registry it was given.
"""

from __future__ import annotations

import json
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


def read(address: str, reference: str) -> ImageFacts | None:
    """Return what the registry knows of an image, or None when it does not have it.

    Args:
        address: `host:port` of the registry, plain HTTP.
        reference: `registry.lab/name:tag` or `registry.lab/name@digest`; the host is not used.

    Raises:
        ExpressionError: It is no reference.
        Unanswered: The registry cannot be asked.
    """
    name, version = _split(reference)
    root = f"http://{address}/v2/{quote(name)}"
    manifest, digest = _manifest(root, version)
    if manifest is None:
        return None
    if manifest.get("manifests"):  # one image for each architecture: the first stands for all
        manifest, _ = _manifest(root, str(manifest["manifests"][0]["digest"]))
        manifest = manifest or {}
    config = _json(f"{root}/blobs/{(manifest.get('config') or {}).get('digest', '')}") or {}
    settings = config.get("config") or {}
    return ImageFacts(
        digest=digest,
        user=str(settings.get("User") or ""),
        size=sum(int(layer.get("size") or 0) for layer in manifest.get("layers") or []),
        labels={str(key): str(value) for key, value in (settings.get("Labels") or {}).items()},
        packages=_packages(root, digest),
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


def _manifest(root: str, version: str) -> tuple[Json | None, str]:
    status, body, headers = _get(f"{root}/manifests/{quote(version, safe=':')}", _MANIFESTS)
    if status == HTTPStatus.NOT_FOUND:
        return None, ""
    return _parsed(body), headers.get("Docker-Content-Digest", "")


def _packages(root: str, digest: str) -> tuple[str, ...] | None:
    """Return the packages of every SBOM that refers to the image, or None when there is none."""
    index = _json(f"{root}/referrers/{digest}") or _json(f"{root}/manifests/{digest.replace(':', '-')}") or {}
    names: list[str] = []
    found = False
    for entry in index.get("manifests") or []:
        if any(kind in str(entry.get("artifactType", "")) for kind in _SBOMS):
            manifest, _ = _manifest(root, str(entry.get("digest", "")))
            for layer in (manifest or {}).get("layers") or []:
                found = True
                names += _names(_json(f"{root}/blobs/{layer.get('digest', '')}") or {})
    return tuple(dict.fromkeys(names)) if found else None


def _names(sbom: Json) -> list[str]:
    parts: list[Any] = [*(sbom.get("packages") or []), *(sbom.get("components") or [])]  # SPDX, CycloneDX
    return [str(part.get("name")) for part in parts if isinstance(part, dict) and part.get("name")]


def _json(url: str) -> Json | None:
    status, body, _ = _get(url, f"{_MANIFESTS},application/json")
    return None if status == HTTPStatus.NOT_FOUND else _parsed(body)


def _parsed(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError:
        raise Unanswered("the registry answers something else than JSON") from None
    return value if isinstance(value, dict) else {}


def _get(url: str, accept: str) -> tuple[int, bytes, dict[str, str]]:
    place = url.split("/")[2]
    try:
        with urllib3.PoolManager(timeout=SECONDS, retries=False) as pool:
            raw = pool.request("GET", url, headers={"Accept": accept}, preload_content=False, redirect=False)
            body = raw.read(MOST_BYTES, decode_content=True)
            raw.release_conn()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unanswered(f"the registry at {place} cannot be reached: {clean(str(error), 160)}") from error
    if raw.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        raise Unanswered(f"the registry at {place} answered {raw.status}: {clean(body[:160].decode(errors='replace'))}")
    return int(raw.status), bytes(body), dict(raw.headers.items())
