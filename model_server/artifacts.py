"""Model files from elsewhere: file, HTTP(S) or an OCI registry, checked by digest, kept in a cache.

`model_config` parses what to fetch, `runtime` fetches it in the loader's thread and imports this only then. What is in
the cache under its digest is used without asking the network, so a server starts offline once it has started online.
A file appears in the cache whole and checked, or not at all; a broken download goes on where it stopped. Not for
credentials: mount files that need some.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

    from model_server.model_config import Artifact

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_ATTEMPTS = 4
_PAUSE_S = 0.5
_TIMEOUT_S = 30.0
_MOST_FILES = 256
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_MANIFEST_LIMIT = 4 << 20


class FetchError(Exception):
    """The artifact cannot be had; the text says why and never holds credentials."""


def fetch(artifact: Artifact, cache: Path, limit: int) -> Path:
    """Return the model file of an artifact, from the cache or from its place.

    Args:
        artifact: What to fetch.
        cache: Folder to keep it in; made when it is not there.
        limit: Most bytes, where the artifact sets no lower limit.

    Raises:
        FetchError: It cannot be reached, is too large, or is another file than its digest says.
    """
    limit = min(limit, artifact.max_bytes or limit)
    home = cache / artifact.sha256
    file = home / "model.onnx"
    if file.is_file() and (artifact.unpack or _sha256(file) == artifact.sha256):
        return file
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = cache / f"{artifact.sha256}.part"
        with _locked(cache / f"{artifact.sha256}.lock"):
            _download(artifact, part, limit)
            _publish(artifact, part, home, limit)
    except OSError as error:
        raise FetchError(f"cache {cache}: {error.strerror or error}") from error
    return file


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time fetch an artifact into a shared cache."""
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(artifact: Artifact, part: Path, limit: int) -> None:
    """Fill the part file, going on where the last attempt stopped, until its digest is right."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S * 2 ** (attempt - 1))
        have = part.stat().st_size if part.exists() else 0
        try:
            with _open(artifact, have) as (stream, resumed):
                _append(stream, part, limit, fresh=not resumed)
        except (OSError, EOFError) as error:
            reason = getattr(error, "reason", None) or str(error)
            if getattr(error, "code", 0) == 416:  # noqa: PLR2004 - nothing behind what we have: it may be whole
                reason = "the server has no more bytes"
            elif 400 <= getattr(error, "code", 0) < 500:  # noqa: PLR2004 - asking again changes nothing
                break
        if part.exists() and _sha256(part) == artifact.sha256:
            return
        if not reason:
            part.unlink()
            raise FetchError(f"{_shown(artifact.url)} is another file than sha256 {artifact.sha256[:12]}… says")
        if reason == "the server has no more bytes":
            part.unlink(missing_ok=True)
    raise FetchError(f"{_shown(artifact.url)} cannot be fetched: {reason}")


def _append(stream: BinaryIO | HTTPResponse, part: Path, limit: int, *, fresh: bool) -> None:
    with part.open("wb" if fresh else "ab") as out:
        size = out.tell()
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                out.close()
                part.unlink()
                raise FetchError(f"the artifact is over {limit} bytes")
            out.write(chunk)
    expected = getattr(stream, "length", None)
    if expected:  # what the server announced and did not send
        raise EOFError(f"the connection ended {expected} bytes early")


def _publish(artifact: Artifact, part: Path, home: Path, limit: int) -> None:
    """Make the folder complete under another name, then give it its own."""
    fresh = home.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    if artifact.unpack:
        _unzip(part, fresh, limit)
        part.unlink()
    else:
        part.rename(fresh / "model.onnx")
    shutil.rmtree(home, ignore_errors=True)
    fresh.rename(home)


def _unzip(archive: Path, target: Path, limit: int) -> None:
    """Unpack without trusting a word of the archive's directory."""
    left = limit
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            if len(entries) > _MOST_FILES:
                raise FetchError(f"the archive has {len(entries)} files, over the limit of {_MOST_FILES}")
            for entry in entries:
                path = target / _safe(entry)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, path.open("xb") as out:
                    while chunk := source.read(min(_CHUNK, left + 1)):
                        left -= len(chunk)
                        if left < 0:
                            raise FetchError(f"the archive unpacks to more than {limit} bytes")
                        out.write(chunk)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, FileExistsError) as error:
        raise FetchError(f"the archive cannot be unpacked: {error}") from error
    if not (target / "model.onnx").is_file():
        raise FetchError("the archive has no model.onnx at its top")


def _safe(entry: zipfile.ZipInfo) -> str:
    path = PurePosixPath(entry.filename)
    kind = entry.external_attr >> 16 & 0o170000
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or kind not in {0, 0o100000}:
        raise FetchError(f"the archive holds {entry.filename[:100]!r}, which is no plain file inside it")
    return str(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shown(url: str) -> str:
    """Leave out user, password and query, which may be secret."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


@contextlib.contextmanager
def _open(artifact: Artifact, have: int) -> Iterator[tuple[BinaryIO | HTTPResponse, bool]]:
    """Open an artifact behind its first `have` bytes; the truth value says whether that worked."""
    scheme, _, rest = artifact.url.partition("://")
    if scheme == "file":
        with Path(rest).open("rb") as stream:
            stream.seek(have)
            yield stream, have > 0
        return
    headers: dict[str, str] = {}
    url = artifact.url
    if scheme.startswith("oci"):
        url, headers = _blob("http" if scheme == "oci+http" else "https", rest)
    if have:
        headers["Range"] = f"bytes={have}-"
    with _get(url, headers) as answer:
        yield answer, answer.status == 206  # noqa: PLR2004 - partial content


def _get(url: str, headers: dict[str, str]) -> HTTPResponse:
    class OnlyHttp(urllib.request.HTTPRedirectHandler):
        """A redirect may not lead to a file of this machine, and takes no credentials to another host."""

        def redirect_request(  # noqa: PLR0917 - urllib's signature
            self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> urllib.request.Request | None:
            if not newurl.startswith("https://" if req.full_url.startswith("https://") else ("http://", "https://")):
                raise OSError("a redirect leads away from HTTP(S)")
            moved = super().redirect_request(req, fp, code, msg, headers, newurl)
            if moved is not None and moved.host != req.host:
                moved.remove_header("Authorization")
            return moved

    opener = urllib.request.build_opener(OnlyHttp)
    answer: HTTPResponse = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)  # noqa: S310 - `parse` allows no other scheme
    return answer


def _blob(scheme: str, reference: str) -> tuple[str, dict[str, str]]:
    """Return where the first layer of an OCI artifact lies, and the headers to ask with.

    Args:
        scheme: http or https.
        reference: REGISTRY/NAME:TAG or REGISTRY/NAME@DIGEST.
    """
    registry, _, rest = reference.partition("/")
    name, at, tag = rest.partition("@")
    if not at:
        name, _, tag = rest.partition(":")
    base = f"{scheme}://{registry}/v2/{name}"
    headers = {"Accept": _MANIFESTS}
    try:
        answer = _get(f"{base}/manifests/{tag or 'latest'}", headers)
    except OSError as error:
        challenge = getattr(error, "headers", None) or {}
        if getattr(error, "code", 0) != 401:  # noqa: PLR2004 - a registry that wants an anonymous token
            raise
        headers["Authorization"] = f"Bearer {_token(challenge.get('www-authenticate', ''))}"
        answer = _get(f"{base}/manifests/{tag or 'latest'}", headers)
    with answer:
        layers = _json(answer).get("layers") or [{}]
    digest = layers[0].get("digest", "") if isinstance(layers[0], dict) else ""
    if not _DIGEST.fullmatch(str(digest).removeprefix("sha256:")):
        raise OSError("the manifest names no layer")
    headers.pop("Accept")
    return f"{base}/blobs/{digest}", headers


def _token(challenge: str) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith(("https://", "http://")):
        raise OSError("the registry wants credentials")
    with _get(f"{realm}?{urlencode(fields)}", {}) as answer:
        content = _json(answer)
    return str(content.get("token") or content.get("access_token") or "")


def _json(answer: HTTPResponse) -> dict[str, Any]:
    try:
        content = json.loads(answer.read(_MANIFEST_LIMIT))
    except ValueError as error:
        raise OSError("the registry's answer is no JSON") from error
    if not isinstance(content, dict):
        raise OSError("the registry's answer is no JSON object")
    return content


def default_cache() -> Path:
    """Return the folder for the cache where none is set: the user's, else the system's for temporary files."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home) / "model-server" if home else Path("/tmp/model-server")  # noqa: S108 - a pod mounts an emptyDir there
